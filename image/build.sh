#!/usr/bin/env bash
# Builds the program for the image. It is static, and the build is reproducible: the same commit
# gives the same bytes on every machine. The Dockerfile and `make image-binary` use this script.
#
#   image/build.sh [FOLDER]    writes FOLDER/oxen-operator; the default FOLDER is target/image
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mkdir -p "${1:-target/image}"
out=$(cd "${1:-target/image}" && pwd)
cargo_home=${CARGO_HOME:-$HOME/.cargo}
version=$(rustc -vV)
host=$(sed -n 's/^host: //p' <<<"$version")
commit=$(sed -n 's/^commit-hash: //p' <<<"$version")

# The program is linked statically with glibc instead of musl, because not every machine has the
# musl target of Rust. Paths are remapped because panic messages contain the paths of source files,
# which differ from machine to machine.
flags=(
  -Ctarget-feature=+crt-static
  # By default, getrandom looks up the system call wrapper at run time. A static program can't do
  # that, so getrandom would fall back to /dev/urandom, which the image does not have.
  '--cfg=getrandom_backend="linux_getrandom"'
  --remap-path-prefix="$PWD=/build"
  --remap-path-prefix="$out=/build/target"
  --remap-path-prefix="$cargo_home=/cargo"
  --remap-path-prefix="$(rustc --print sysroot)/lib/rustlib/src/rust=/rustc/$commit"
)
printf -v CARGO_ENCODED_RUSTFLAGS '%s\x1f' "${flags[@]}"
export CARGO_ENCODED_RUSTFLAGS=${CARGO_ENCODED_RUSTFLAGS%$'\x1f'}
# Remap the same paths in the dependencies that are written in C.
export CFLAGS="-ffile-prefix-map=$PWD=/build -ffile-prefix-map=$out=/build/target -ffile-prefix-map=$cargo_home=/cargo"
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-0} CARGO_INCREMENTAL=0

# With --target, cargo does not apply the flags to build scripts and procedural macros.
cargo build --release --locked --bin oxen-operator --target "$host" --target-dir "$out/build"
install -m 755 "$out/build/$host/release/oxen-operator" "$out/oxen-operator"
