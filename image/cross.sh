#!/usr/bin/env bash
# Installs what image/build.sh needs to compile for an architecture, on Debian or Ubuntu with
# rustup. For this machine's own architecture, it installs nothing.
#
#   image/cross.sh ARCHITECTURE    amd64 or arm64
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=image/target.sh
source image/target.sh "$1"
[[ $target != "$host" ]] || exit 0

as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  else
    sudo "$@"
  fi
}

rustup target add "$target"
as_root apt-get update
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
  "gcc-${gcc/x86_64/x86-64}" "libc6-dev-$1-cross"
