#!/usr/bin/env bash
# Renders the generated files of kustomize/base from the chart.
#
#   kustomize/render.sh           writes them: `make kustomize`
#   kustomize/render.sh --check   fails if they are out of date: `make check-kustomize`
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

base=kustomize/base

# render FLAG...: prints objects of the chart, without what Helm adds for itself.
render() {
  "$helm" template oxen-operator charts/oxen-operator --namespace oxen-system --skip-tests "$@" |
    sed -e '/^# Source: /d' -e '/^ *helm\.sh\/chart: /d' \
      -e 's/\(app\.kubernetes\.io\/managed-by: \)Helm$/\1kustomize/'
}

helm=$(tests/tools/build.sh --print-helm)
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT

note="# Rendered from charts/oxen-operator by \`make kustomize\`. Don't edit this file."
{ echo "$note"; render --set crds.enabled=false; } >"$new/operator.yaml"
{ echo "$note"; render --set crds.keep=false --show-only templates/crd.yaml; } >"$new/crd.yaml"

for file in operator.yaml crd.yaml; do
  if [[ ${1:-} != --check ]]; then
    mv "$new/$file" "$base/$file"
  elif ! diff -u "$base/$file" "$new/$file"; then
    echo "error: $base/$file is out of date: run \`make kustomize\`" >&2
    exit 1
  fi
done
