#!/usr/bin/env bash
# Builds the program that the image ships: static, and from the same commit the same bytes, wherever
# it is built. The Dockerfile and `make image-binary` both come here, so all flags are in this one place.
#
#   image/build.sh [FOLDER]    writes FOLDER/oxen-operator; target/image if none is given
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mkdir -p "${1:-target/image}"
out=$(cd "${1:-target/image}" && pwd)
cargo_home=${CARGO_HOME:-$HOME/.cargo}
version=$(rustc -vV)
host=$(sed -n 's/^host: //p' <<<"$version")
commit=$(sed -n 's/^commit-hash: //p' <<<"$version")

# For the machine's own target: Rust's library for musl isn't on every machine, and glibc can be static too.
# The paths of this machine would else be in the words of a panic; those of Rust's own sources only where
# these are installed.
flags=(
  -Ctarget-feature=+crt-static
  # A static program finds the kernel's random numbers only if it is linked with the call: else it looks
  # for the call at run time, in vain, and then needs /dev/urandom.
  '--cfg=getrandom_backend="linux_getrandom"'
  --remap-path-prefix="$PWD=/build"
  --remap-path-prefix="$out=/build/target"
  --remap-path-prefix="$cargo_home=/cargo"
  --remap-path-prefix="$(rustc --print sysroot)/lib/rustlib/src/rust=/rustc/$commit"
)
printf -v CARGO_ENCODED_RUSTFLAGS '%s\x1f' "${flags[@]}"
export CARGO_ENCODED_RUSTFLAGS=${CARGO_ENCODED_RUSTFLAGS%$'\x1f'}
# The same for what is written in C.
export CFLAGS="-ffile-prefix-map=$PWD=/build -ffile-prefix-map=$out=/build/target -ffile-prefix-map=$cargo_home=/cargo"
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-0} CARGO_INCREMENTAL=0

# With a target named, the flags are not for the build scripts and macros that run while it is built.
cargo build --release --locked --bin oxen-operator --target "$host" --target-dir "$out/build"
install -m 755 "$out/build/$host/release/oxen-operator" "$out/oxen-operator"
