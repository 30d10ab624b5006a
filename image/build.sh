#!/usr/bin/env bash
# Builds a program of a release, by default the one for the image. It is static, and the build is
# reproducible: the same commit gives the same bytes on every machine with the same compilers. The
# program contains the list of its dependencies, which `cargo audit bin` and image scanners read.
# The Dockerfile, `make image-binary` and `make dist` use this script.
#
#   image/build.sh FOLDER [ARCHITECTURE [PROGRAM]]
#
# This writes FOLDER/PROGRAM. PROGRAM is oxen-operator, or kubectl-oxen. ARCHITECTURE is amd64 or
# arm64. The default is this machine's architecture. Any other architecture needs the compilers that
# image/cross.sh installs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mkdir -p "$1"
out=$(cd "$1" && pwd)
program=${3:-oxen-operator}
cargo_home=${CARGO_HOME:-$HOME/.cargo}
commit=$(rustc -vV | sed -n 's/^commit-hash: //p')
# shellcheck source=image/target.sh
source image/target.sh "${2:-}"

# cargo-auditable takes longer to compile than to run, so an unoptimized build is faster.
cargo auditable --version >/dev/null 2>&1 ||
  CARGO_PROFILE_DEV_DEBUG=false cargo install cargo-auditable --version 0.7.7 --locked --debug

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
cargo auditable build --release --locked --bin "$program" \
  --target "$target" --target-dir "$out/build"
install -m 755 "$out/build/$target/release/$program" "$out/$program"
