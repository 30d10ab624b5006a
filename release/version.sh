#!/usr/bin/env bash
# Prints the version of the next release. Fails if a file names another version.
#
#   release/version.sh [TAG]
#
# With a TAG, it also fails unless TAG is `v` followed by this version.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  echo "error: $*" >&2
  exit 1
}

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] ||
  fail "Cargo.toml: $version is not a semantic version"

# Every version in these files is the operator's, except on lines with one of these words.
other='^.*(kubeVersion|semver\.org).*$(*SKIP)(*FAIL)'
while IFS=: read -r file line found; do
  [[ $found == "$version" ]] ||
    fail "$file, line $line, has the version $found, but Cargo.toml has $version"
done < <(
  grep -HnoP "$other|(?<![\d.])\d+\.\d+\.\d+(?!\.?\d)(-[\w-]+(\.[\w-]+)*)?" \
    README.md charts/oxen-operator/Chart.yaml docs/{gitops,install,keeper,releasing}.md \
    docs/{troubleshooting,upgrade}.md examples/keeper/sidecar.yaml \
    kustomize/overlays/example/kustomization.yaml
)

tag=${1:-v$version}
[[ $tag == "v$version" ]] || fail "the tag is $tag, but Cargo.toml has the version $version"
echo "$version"
