#!/usr/bin/env bash
# Tests the program of the image without docker. The program that `make image-binary` built runs as
# an unprivileged user in an empty root with the files that the Dockerfile copies, against the
# simulated hub and a real control plane.
#
#   tests/image/check.sh OPERATOR DEBUG    DEBUG is the folder that contains `hub` and `demo`
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

fail() {
  echo "error: $*" >&2
  exit 1
}

operator=$(realpath "$1") debug=$(realpath "$2")
dir=$(mktemp -d)
hub=
clean() {
  [[ -z $hub ]] || kill "$hub" 2>/dev/null || true
  rm -rf "$dir"
}
trap clean EXIT

# --- The program needs no dynamic loader and no library.
# `readelf | grep -q` would be a race: grep ends at the first match, and readelf may then be killed
# while it writes, which pipefail reports as a failure.
readelf -lWSd "$operator" >"$dir/elf"
! grep -q INTERP "$dir/elf" || fail "$operator needs a dynamic loader: it is not static"
! grep NEEDED "$dir/elf" || fail "$operator needs a library: it is not static"
grep -q '\.dep-v0 ' "$dir/elf" || fail "$operator has no list of its dependencies"
# A path of the build machine would make the build unreproducible.
! grep -qaF -e "$PWD/" -e "${CARGO_HOME:-$HOME/.cargo}/" "$operator" ||
  fail "$operator contains a path of this machine"

# --- The image contains this program and no other.
stage=$(awk '/^FROM /{ stage = "" } { stage = stage $0 "\n" } END { printf "%s", stage }' Dockerfile)
require_line() { grep -qE -- "$1" <<<"$stage" || fail "Dockerfile: the last stage has no $2"; }
require_line '^FROM scratch$' "\`FROM scratch\`"
require_line '^USER [1-9][0-9]*:[1-9][0-9]*$' "numeric USER other than root"
require_line '^ENTRYPOINT \["/oxen-operator"\]$' "ENTRYPOINT that is the program itself"
for label in title description licenses source version revision; do
  require_line "org\.opencontainers\.image\.$label=" "label $label"
done
! grep -E '^(RUN|SHELL|ADD|VOLUME) ' <<<"$stage" ||
  fail "Dockerfile: the last stage does more than copy"
rust=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
grep -q "^ARG RUST=rust:$rust-" Dockerfile ||
  fail "Dockerfile: the compiler is not Rust $rust, which Cargo.toml requires"
user=$(sed -n 's/^USER //p' <<<"$stage")

# --- Create a root with the files that the last stage copies, and a host name for this machine.
root=$dir/root
mkdir -m 755 -p "$root"
while read -r from to; do
  case $from in
    /src/*) from=${from#/src/} ;;
    /out/oxen-operator) from=$operator ;;
  esac
  install -D -m "$([[ -x $from ]] && echo 755 || echo 644)" "$from" "$root$to"
done < <(sed -n 's/^COPY --from=build //p' <<<"$stage")
echo "127.0.0.1 hub.test" >"$root/etc/hosts"

# The beginning of a command that runs a program in this root.
if [[ $(id -u) == 0 ]]; then
  enter=(chroot "--userspec=$user" "$root")
else
  enter=(unshare --map-current-user "--root=$root")
fi

# check URL
check() {
  env -i OXEN_API_KEY=not-a-real-key OXEN_BASE_URL="$1" \
    "$(command -v "${enter[0]}")" "${enter[@]:1}" /oxen-operator check 2>&1 || true
}

# expect NAME OUTPUT PART
expect() { [[ $2 == *"$3"* ]] || fail "$1: $2"; }

# --- The program resolves the host name and reaches the hub.
# The file exists from the start, because the hub's process opens it at an unknown time.
: >"$dir/hub"
"$debug/hub" --listen 127.0.0.1:0 >>"$dir/hub" &
hub=$!
for _ in {1..100}; do
  port=$(sed -n 's/^A simulated Oxen hub listens at .*:\([0-9]*\)$/\1/p' "$dir/hub")
  [[ -z $port ]] || break
  sleep 0.1
done
[[ -n $port ]] || fail "the simulated hub did not start: see its output above"
expect "a hub with a host name" "$(check "http://hub.test:$port")" "can be reached. It lists 7 models"
# The simulated hub has no TLS. A client with CA certificates therefore fails to connect, and a
# client without them fails before that.
expect "CA certificates" "$(check "https://hub.test:$port")" "can't be reached"
mv "$root/etc/ssl" "$dir/ssl"
expect "no CA certificates" "$(check "https://hub.test:$port")" "could not be set up"
mv "$dir/ssl" "$root/etc/ssl"
echo "The program is static, and it finds host names and CA certificates in an empty root."

# --- Run the demo with the program in this root. The program runs as another user, so it gets a
# readable copy of the kubeconfig.
cat >"$dir/operator" <<END
#!/bin/sh
install -m 644 "\$KUBECONFIG" '$root/kubeconfig'
KUBECONFIG=/kubeconfig exec ${enter[*]} /oxen-operator "\$@"
END
chmod 755 "$dir/operator"
"$debug/demo" --operator "$dir/operator" --examples examples --folder "$dir/demo" run
