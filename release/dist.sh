#!/usr/bin/env bash
# Makes the files of a release in dist/, from the commit that is checked out: `make dist`.
#
#   release/dist.sh ARCHITECTURE...    amd64 and arm64; see image/cross.sh
#
# | file | what it is |
# |---|---|
# | oxen-operator-linux-ARCHITECTURE | the static program |
# | oxen-operator-linux-ARCHITECTURE.cdx.json | its SBOM, as CycloneDX |
# | kubectl-oxen-linux-ARCHITECTURE.tar.gz | the kubectl plugin, with the license |
# | oxen.yaml | the manifest of the plugin for krew |
# | oxen-operator-VERSION.tgz | the chart |
# | crds.yaml | the CustomResourceDefinition |
# | kustomize.tar.gz | the kustomize base, its components and the example overlay |
# | SHA256SUMS | the checksums of the other files |
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  echo "error: $*" >&2
  exit 1
}

# The files contain the version and the time of the commit, so they must be built from that commit.
git diff --quiet HEAD || fail "commit all changes first: a release is built from a commit"
version=$(release/version.sh)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
built=${CARGO_TARGET_DIR:-target}/image
rm -rf dist
mkdir dist

# cargo-cyclonedx takes longer to compile than to run, so an unoptimized build is faster.
cargo cyclonedx --version >/dev/null 2>&1 ||
  CARGO_PROFILE_DEV_DEBUG=false cargo install cargo-cyclonedx --version 0.5.9 --locked --debug

# sbom TARGET: prints the SBOM of the program. cargo-cyclonedx writes a file beside each Cargo.toml,
# with the folder's path in it, so it works on a copy.
sbom() {
  local copy
  copy=$(mktemp -d)
  git archive HEAD | tar -x -C "$copy"
  (
    cd "$copy"
    cargo cyclonedx -q --format json --spec-version 1.5 --target "$1" --no-build-deps
    sed "s#$copy#/build#g" oxen-operator.cdx.json
  )
  rm -rf "$copy"
}

# archive FILE FOLDER NAME...: makes an archive of files that has the same bytes each time.
archive() {
  local file=$1 folder=$2
  shift 2
  tar -c --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    -C "$folder" "$@" | gzip -n >"$file"
}

for architecture in "$@"; do
  program=dist/oxen-operator-linux-$architecture
  # shellcheck source=../image/target.sh
  target=$(source image/target.sh "$architecture" && echo "$target")
  image/build.sh "$built" "$architecture"
  install -m 755 "$built/oxen-operator" "$program"
  sbom "$target" >"$program.cdx.json"
  # The program that runs on this machine has to be of this version, and print the same CRD.
  if [[ $target == "$(rustc -vV | sed -n 's/^host: //p')" ]]; then
    [[ $("$program" --version) == "oxen-operator $version" ]] ||
      fail "$program has another version than $version"
    "$program" crd | cmp - crds/oxenmodels.yaml
  fi
  image/build.sh "$built" "$architecture" kubectl-oxen
  install -m 644 LICENSE "$built/LICENSE"
  archive "dist/kubectl-oxen-linux-$architecture.tar.gz" "$built" LICENSE kubectl-oxen
done
release/krew.sh dist "$@" >dist/oxen.yaml

"$(tests/tools/build.sh --print-helm)" package charts/oxen-operator --destination dist >/dev/null
cp crds/oxenmodels.yaml dist/crds.yaml
archive dist/kustomize.tar.gz . kustomize/base kustomize/components kustomize/overlays
(cd dist && sha256sum -- * >SHA256SUMS)
ls -l dist
