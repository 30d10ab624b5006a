#!/usr/bin/env bash
# Pushes a packaged chart with helm, and prints its name with the digest, by which it is signed.
#
#   release/push-chart.sh CHART.tgz REGISTRY [FLAG...]
#
# REGISTRY is a host with a path, such as ghcr.io/oxen-ai/charts. Further flags are helm's.
set -euo pipefail

chart=$1 registry=$2
shift 2
pushed=$(helm push "$chart" "oci://$registry" "$@" 2>&1) || {
  echo "$pushed" >&2
  exit 1
}
reference=$(sed -n 's/^Pushed: \(.*\):[^:]*$/\1/p' <<<"$pushed")
digest=$(sed -n 's/^Digest: \(sha256:[0-9a-f]*\)$/\1/p' <<<"$pushed")
if [[ -z $reference || -z $digest ]]; then
  echo "error: helm printed no digest: $pushed" >&2
  exit 1
fi
echo "$reference@$digest"
