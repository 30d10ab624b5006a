#!/usr/bin/env bash
# Runs the tests of gitops/argocd, in Argo CD's own layout, and fails where argocd-cm.yaml is stale.
#
# It needs lua5.1, and kubectl from `make tools`, which turns YAML into JSON without a cluster.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

scripts=gitops/argocd/oxen.ai/OxenModel
kubectl=$(tests/tools/build.sh --print-dir)/kubectl
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
echo 'return obj' >"$scratch/same.lua"
passed=0

json() {
  KUBECONFIG=/dev/null "$kubectl" patch --local --filename "$1" --type merge --patch '{}' --output json
}

run() {
  lua5.1 tests/argocd/run.lua "$1"
}

# expect NAME WANTED GOT
expect() {
  if [[ $2 != "$3" ]]; then
    printf 'error: %s\n  wanted: %s\n  got:    %s\n' "$1" "$2" "$3" >&2
    exit 1
  fi
  passed=$((passed + 1))
}

# The test files are lists of small maps: the values of each, tab-separated, in the order of the file.
# rows FIRST-KEY KEYS
rows() {
  awk -v first="$1" -v keys="$2" '
    function finish() { if (row != "") print row; row = "" }
    { line = $0; sub(/^[- ]+/, "", line); key = line; sub(/:.*/, "", key)
      value = line; sub(/^[^:]*: */, "", value); gsub(/^"|"$/, "", value) }
    key == first { finish(); row = value; next }
    index(" " keys " ", " " key " ") { row = row "\t" value }
    END { finish() }'
}

diff -u gitops/argocd/argocd-cm.yaml <(gitops/argocd/generate.sh) || {
  echo "error: gitops/argocd/argocd-cm.yaml is stale: run gitops/argocd/generate.sh >gitops/argocd/argocd-cm.yaml" >&2
  exit 1
}

while IFS=$'\t' read -r path status message; do
  got=$(json "$scripts/$path" | run "$scripts/health.lua")
  expect "health of $path" "{\"message\":\"$message\",\"status\":\"$status\"}" "$got"
done < <(rows inputPath "status message" <"$scripts/health_test.yaml")

while IFS=$'\t' read -r path first first_off second second_off third third_off; do
  got=$(json "$scripts/actions/$path" | run "$scripts/actions/discovery.lua")
  for pair in "$first $first_off" "$second $second_off" "$third $third_off"; do
    read -r name off <<<"$pair"
    [[ $got == *"\"$name\":{\"disabled\":$off}"* ]] ||
      expect "actions on $path" "$name disabled: $off" "$got"
    passed=$((passed + 1))
  done
done < <(sed '/^actionTests/,$d' "$scripts/actions/action_test.yaml" | rows inputPath "name disabled")

while IFS=$'\t' read -r action input output; do
  got=$(json "$scripts/actions/$input" | run "$scripts/actions/$action/action.lua" |
    sed -E 's/("oxen.ai\/reconcile-requested-at":")[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}Z"/\10001-01-01T00:00:00Z"/')
  expect "$action on $input" "$(json "$scripts/actions/$output" | run "$scratch/same.lua")" "$got"
done < <(sed '1,/^actionTests/d' "$scripts/actions/action_test.yaml" | rows action "inputPath expectedOutputPath")

echo "gitops/argocd: $passed checks passed"
