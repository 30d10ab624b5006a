# Source this file with amd64, arm64, or no argument (this machine). It sets $target, Rust's name for
# the architecture. For any other architecture than this machine's, it also sets $gcc and makes cargo
# use the compilers that image/cross.sh installs.
host=$(rustc -vV | sed -n 's/^host: //p')
case ${1:-} in
  "") target=$host ;;
  amd64) target=x86_64-unknown-linux-gnu ;;
  arm64) target=aarch64-unknown-linux-gnu ;;
  *)
    echo "error: unknown architecture $1: amd64 and arm64 are supported" >&2
    exit 1
    ;;
esac
if [[ $target != "$host" ]]; then
  gcc=${target/-unknown/}
  variable=${target//-/_}
  export "CARGO_TARGET_${variable^^}_LINKER=$gcc-gcc" "CC_$variable=$gcc-gcc" "AR_$variable=$gcc-ar"
fi
