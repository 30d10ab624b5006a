#!/usr/bin/env bash
# Checks the dependencies of the workspace and of fuzz/ with cargo-deny: bans, licenses and sources,
# and security advisories if their database can be fetched.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=0.20.2

deny() {
  local crate
  for crate in . fuzz; do
    cargo deny --locked --workspace --manifest-path "$crate/Cargo.toml" --config deny.toml \
      check --hide-inclusion-graph "$@"
  done
}

# cargo-deny takes minutes to compile and only seconds to run, so an unoptimized build is faster.
cargo deny --version >/dev/null 2>&1 ||
  CARGO_PROFILE_DEV_DEBUG=false cargo install cargo-deny --version "$version" --locked --debug

deny bans licenses sources
if error=$(cargo deny fetch db 2>&1); then
  deny --disable-fetch advisories
else
  reason=$(tail -n 1 <<<"$error")
  echo "SKIPPED: advisories were not checked, because their database can't be fetched: $reason"
fi
