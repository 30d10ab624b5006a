#!/usr/bin/env bash
# Checks that this machine can compile the project. If not, it prints what to install.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
  echo "error: $*" >&2
  exit 1
}

need=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$here/../../Cargo.toml")
command -v cargo >/dev/null && command -v rustc >/dev/null ||
  fail "Rust is not installed: install Rust $need or newer from https://rustup.rs"
have=$(rustc --version | awk '{ print $2 }') || fail "rustc does not run: see the output of \`rustc --version\`"
[[ $(printf '%s\n%s\n' "$need" "$have" | sort -V | head -n 1) == "$need" ]] ||
  fail "Rust $have is too old: install Rust $need or newer, with \`rustup update\` or from https://rustup.rs"
command -v cc >/dev/null ||
  fail "there is no C compiler: install the package gcc (and libc6-dev on Debian)"
