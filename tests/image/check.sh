#!/usr/bin/env bash
# Does what the image ships work with nothing around it? The program that `make image-binary` built is run in a
# root of its own, as the Dockerfile lays it, as a user without a name or rights, against the simulated hub and a real
# control plane.
#
#   tests/image/check.sh OPERATOR DEBUG    DEBUG is the folder with `hub` and `demo`
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

# --- The program asks for no loader and no library.
readelf -lW "$operator" >"$dir/segments"
! grep -q INTERP "$dir/segments" || fail "$operator asks for a loader: it is not static"
! readelf -dW "$operator" | grep NEEDED || fail "$operator needs a library: it is not static"
# A path of the machine that built it would change the bytes from machine to machine.
! grep -qaF -e "$PWD/" -e "${CARGO_HOME:-$HOME/.cargo}/" "$operator" || fail "$operator holds a path of this machine"

# --- The image is that program, with nothing that could run anything else.
stage=$(awk '/^FROM /{ stage = "" } { stage = stage $0 "\n" } END { printf "%s", stage }' Dockerfile)
says() { grep -qE -- "$1" <<<"$stage" || fail "Dockerfile: the last stage has no $2"; }
says '^FROM scratch$' "\`FROM scratch\`"
says '^USER [1-9][0-9]*:[1-9][0-9]*$' "user with a number that is not root's"
says '^ENTRYPOINT \["/oxen-operator"\]$' "ENTRYPOINT that is the program itself"
for label in title description licenses source version revision; do
  says "org\.opencontainers\.image\.$label=" "label $label"
done
! grep -E '^(RUN|SHELL|ADD|VOLUME) ' <<<"$stage" || fail "Dockerfile: the last stage does more than copy"
rust=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
grep -q "^ARG RUST=rust:$rust-" Dockerfile || fail "Dockerfile: the compiler is not Rust $rust, as in Cargo.toml"
user=$(sed -n 's/^USER //p' <<<"$stage")

# --- A root with the files that the last stage copies, and a name for this machine.
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

# The rest of a command that runs something in that root.
if [[ $(id -u) == 0 ]]; then
  enter=(chroot "--userspec=$user" "$root")
else
  enter=(unshare --map-current-user "--root=$root")
fi
check() { env -i OXEN_API_KEY=not-a-real-key OXEN_BASE_URL="$1" "$(command -v "${enter[0]}")" "${enter[@]:1}" /oxen-operator check 2>&1 || true; }
expect() { [[ $2 == *"$3"* ]] || fail "$1: $2"; }

# --- A name is found, and the hub behind it.
"$debug/hub" --listen 127.0.0.1:0 >"$dir/hub" &
hub=$!
for _ in {1..100}; do
  port=$(sed -n 's/^A simulated Oxen hub listens at .*:\([0-9]*\)$/\1/p' "$dir/hub")
  [[ -z $port ]] || break
  sleep 0.1
done
[[ -n $port ]] || fail "the simulated hub doesn't start"
expect "a hub by its name" "$(check "http://hub.test:$port")" "answers and takes the API key"
# The hub speaks no TLS, so a client that has its roots gets as far as to say so; one without them doesn't start.
expect "roots" "$(check "https://hub.test:$port")" "can't be reached"
mv "$root/etc/ssl" "$dir/ssl"
expect "no roots" "$(check "https://hub.test:$port")" "could not be set up"
mv "$dir/ssl" "$root/etc/ssl"
echo "The image's program is static, and finds names and roots in an otherwise empty root."

# --- The demo, with that program in that root. It gets its kubeconfig as a file that it can only read.
cat >"$dir/operator" <<END
#!/bin/sh
install -m 644 "\$KUBECONFIG" '$root/kubeconfig'
KUBECONFIG=/kubeconfig exec ${enter[*]} /oxen-operator "\$@"
END
chmod 755 "$dir/operator"
"$debug/demo" --operator "$dir/operator" --examples examples --folder "$dir/demo" run
