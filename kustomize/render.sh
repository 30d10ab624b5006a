#!/usr/bin/env bash
# Renders the generated files of kustomize from the chart.
#
#   kustomize/render.sh           writes them: `make kustomize`
#   kustomize/render.sh --check   fails if they are out of date: `make check-kustomize`
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

base=base
budgets=components/budgets

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
crd() { render --set crds.keep=false --show-only templates/crd.yaml "$@"; }
mkdir -p "$new/$base" "$new/$budgets"
{ echo "$note"; render --set crds.enabled=false; } >"$new/$base/operator.yaml"
{ echo "$note"; crd; } >"$new/$base/crd.yaml"
# The second document is the CustomResourceDefinition that only budgets need.
{ echo "$note"; crd --set budgets.enabled=true | awk '/^---$/ { document++ } document == 2'; } >"$new/$budgets/crd.yaml"

for file in "$base/operator.yaml" "$base/crd.yaml" "$budgets/crd.yaml"; do
  if [[ ${1:-} != --check ]]; then
    mv "$new/$file" "kustomize/$file"
  elif ! diff -u "kustomize/$file" "$new/$file"; then
    echo "error: kustomize/$file is out of date: run \`make kustomize\`" >&2
    exit 1
  fi
done
