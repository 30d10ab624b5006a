#!/usr/bin/env bash
# Runs the tests of gitops/argocd, which have the layout of Argo CD's own tests, and checks that
# argocd-cm.yaml is up to date.
#
# It needs lua5.1 and the kubectl of `make tools`, which converts YAML to JSON without a cluster.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

scripts=gitops/argocd/oxen.ai/OxenModel
kubectl=$(tests/tools/build.sh --print-dir)/kubectl
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
echo 'return obj' >"$scratch/same.lua"
passed=0

to_json() {
  KUBECONFIG=/dev/null "$kubectl" patch --local --filename "$1" --type merge --patch '{}' --output json
}

run_lua() {
  lua5.1 tests/argocd/run.lua "$1"
}

# expect NAME EXPECTED ACTUAL
expect() {
  if [[ $2 != "$3" ]]; then
    printf 'error: %s\n  expected: %s\n  actual:   %s\n' "$1" "$2" "$3" >&2
    exit 1
  fi
  passed=$((passed + 1))
}

# rows FIRST-KEY KEYS: prints each map of a test file on a line, with the values of FIRST-KEY and
# KEYS separated by tabs. FIRST-KEY is the key that begins a map.
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
  echo "error: gitops/argocd/argocd-cm.yaml is out of date: write the output of generate.sh to it" >&2
  exit 1
}

while IFS=$'\t' read -r path status message; do
  actual=$(to_json "$scripts/$path" | run_lua "$scripts/health.lua")
  expect "health of $path" "{\"message\":\"$message\",\"status\":\"$status\"}" "$actual"
done < <(rows inputPath "status message" <"$scripts/health_test.yaml")

while IFS=$'\t' read -r path first first_off second second_off third third_off; do
  actual=$(to_json "$scripts/actions/$path" | run_lua "$scripts/actions/discovery.lua")
  for pair in "$first $first_off" "$second $second_off" "$third $third_off"; do
    read -r name off <<<"$pair"
    [[ $actual == *"\"$name\":{\"disabled\":$off}"* ]] ||
      expect "actions on $path" "$name disabled: $off" "$actual"
    passed=$((passed + 1))
  done
done < <(sed '/^actionTests/,$d' "$scripts/actions/action_test.yaml" | rows inputPath "name disabled")

while IFS=$'\t' read -r action input output; do
  actual=$(to_json "$scripts/actions/$input" | run_lua "$scripts/actions/$action/action.lua" |
    sed -E 's/("oxen.ai\/reconcile-requested-at":")[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}Z"/\10001-01-01T00:00:00Z"/')
  expect "$action on $input" "$(to_json "$scripts/actions/$output" | run_lua "$scratch/same.lua")" "$actual"
done < <(sed '1,/^actionTests/d' "$scripts/actions/action_test.yaml" | rows action "inputPath expectedOutputPath")

echo "gitops/argocd: $passed checks passed"
