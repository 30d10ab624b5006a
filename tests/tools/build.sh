#!/usr/bin/env bash
# Finds, or builds once, the programs of the local control plane: etcd, kube-apiserver, kubectl and helm. Beside
# them kube-controller-manager and promtool, each of which has a go.mod of its own (controller-manager/, promtool/),
# and kstatus/, which nobody else has: each in a folder of its own, named in the same way.
#
#   build.sh               makes sure that the first four are there, and says where
#   build.sh --for-tests   the same for all of them
#   build.sh --print-dir   prints their folder, and nothing else; builds nothing
#
# In the same way, each of these prints a program's path:
#
#   build.sh --print-controller-manager
#   build.sh --print-promtool
#   build.sh --print-kstatus
#
# KUBEBUILDER_ASSETS names a folder that has them already. Without it they are built from the Go modules that
# go.mod pins and go.sum checks, into a user cache folder named after the hash of go.sum: a second clone, or a
# later `make clean`, builds nothing. tests/cluster looks for them in the same places.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/oxen-operator

kubernetes=1.37.2
helm=4.3.1
ldflags="-s -w \
-X k8s.io/component-base/version.gitVersion=v$kubernetes \
-X k8s.io/component-base/version.gitMajor=1 \
-X k8s.io/component-base/version.gitMinor=37 \
-X helm.sh/helm/v4/internal/version.version=v$helm"

fail() {
  echo "error: $*" >&2
  exit 1
}

# The first 16 digits are plenty for a folder's name.
hash_of() {
  local sum
  if command -v sha256sum >/dev/null; then
    sum=$(cat "$@" | sha256sum)
  else
    sum=$(cat "$@" | shasum -a 256)
  fi
  echo "${sum:0:16}"
}

require_go() {
  local need have
  need=$(awk '$1 == "go" { print $2; exit }' "$here/go.mod")
  command -v go >/dev/null ||
    fail "Go is not installed: install Go $need or newer from https://go.dev/dl (or set KUBEBUILDER_ASSETS)"
  have=$(cd "$here" && go version | grep -oE 'go[0-9]+(\.[0-9]+)+' | head -n 1) || true
  have=${have#go}
  [[ $(printf '%s\n%s\n' "$need" "$have" | sort -V | head -n 1) == "$need" ]] ||
    fail "Go ${have:-of an unknown version} is too old: install Go $need or newer from https://go.dev/dl"
  command -v flock >/dev/null || fail "flock is not installed: install the package util-linux"
}

spent() {
  echo "$((SECONDS / 60)) min $(printf '%02d' $((SECONDS % 60))) s"
}

# The compiler can be silent for minutes: a line every ten seconds (on a terminal, one line that changes) shows
# that it lives, and the package that it is at.
watch_build() {
  local pid=$1 name=$2 log=$3 ticks=0 line
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.5
    ticks=$((ticks + 1))
    if [[ -t 1 && $((ticks % 2)) == 0 ]]; then
      line=$(tail -n 1 "$log" | cut -c 1-60)
      printf '\r\033[K  %s  %s  %s' "$name" "$(spent)" "$line"
    elif [[ ! -t 1 && $((ticks % 20)) == 0 ]]; then
      printf '  %s  %s  %s\n' "$name" "$(spent)" "$(tail -n 1 "$log" | cut -c 1-60)"
    fi
  done
  if [[ -t 1 ]]; then
    printf '\r\033[K'
  fi
}

# build NUMBER TOTAL NAME PACKAGE EXPECTED FOLDER
build() {
  local number=$1 total=$2 name=$3 package=$4 expected=$5 folder=$6
  local log=$folder/$name.log pid
  echo "[$number of $total] $name: takes about $expected on two cores with an empty cache"
  # readonly: a module that go.sum doesn't hold is an error, not a new line in go.sum.
  (
    cd "$here"
    CGO_ENABLED=0 GOWORK=off exec go build -v -mod=readonly -trimpath -ldflags "$ldflags" \
      -o "$folder/$name" "$package"
  ) >"$log" 2>&1 &
  pid=$!
  trap 'kill "$pid" 2>/dev/null || true; exit 130' INT TERM
  watch_build "$pid" "$name" "$log"
  if ! wait "$pid"; then
    tail -n 20 "$log" >&2
    fail "$name could not be built; the compiler's last words are above"
  fi
  trap - INT TERM
  rm "$log"
  echo "[$number of $total] $name: built, $(spent) in all"
}

build_all() {
  local folder=$1
  build 1 4 etcd go.etcd.io/etcd/server/v3 "1 min" "$folder"
  build 2 4 kubectl k8s.io/kubernetes/cmd/kubectl "1 min" "$folder"
  build 3 4 helm helm.sh/helm/v4/cmd/helm "1 min" "$folder"
  build 4 4 kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver "4 min" "$folder"
}

build_helm() {
  build 1 1 helm helm.sh/helm/v4/cmd/helm "1 min" "$1"
}

build_controller_manager() {
  GOFLAGS="${GOFLAGS:-} -modfile=controller-manager/go.mod" \
    build 1 1 kube-controller-manager k8s.io/kubernetes/cmd/kube-controller-manager "2 min" "$1"
}

build_kstatus() {
  build 1 1 kstatus ./kstatus "30 s" "$1"
}

# Without the tag it would know every cloud's way to list machines, and take far longer to build.
build_promtool() {
  GOFLAGS="${GOFLAGS:-} -modfile=promtool/go.mod -tags=remove_all_sd" \
    build 1 1 promtool github.com/prometheus/prometheus/cmd/promtool "2 min" "$1"
}

# As with helm, one that the person brought is good enough where they brought the other tools, too.
find_program() {
  local name=$1 built=$2
  if [[ -n ${KUBEBUILDER_ASSETS:-} ]]; then
    if [[ -x $KUBEBUILDER_ASSETS/$name ]]; then
      echo "$KUBEBUILDER_ASSETS/$name"
      return
    elif command -v "$name"; then
      return
    fi
  fi
  echo "$built/$name"
}

# Built beside its place and renamed, so that nobody ever sees a half-filled folder. Only one process builds;
# a second one waits for it. The compiler inherits the lock: what a killed run leaves behind is waited for, too.
build_once() {
  local target=$1 how=$2
  if [[ -d $target ]]; then
    return
  fi
  require_go
  mkdir -p "$cache"
  exec 9>"$target.lock"
  if ! flock -n 9; then
    echo "another process builds into $target: waiting for it"
    flock 9
  fi
  if [[ ! -d $target ]]; then
    rm -rf "$target.partial"
    mkdir "$target.partial"
    "$how" "$target.partial"
    mv -T "$target.partial" "$target"
  fi
  exec 9>&-
}

require_assets() {
  local name
  for name in etcd kube-apiserver kubectl; do
    [[ -x $KUBEBUILDER_ASSETS/$name ]] ||
      fail "KUBEBUILDER_ASSETS is $KUBEBUILDER_ASSETS, but there is no program $name in it"
  done
}

main() {
  # The Go on this machine or none: a toolchain is not something to download unasked.
  export GOTOOLCHAIN=local
  local hash folder built_promtool promtool built_manager manager kstatus
  hash=$(hash_of "$here/go.sum")
  folder=${KUBEBUILDER_ASSETS:-$cache/tools-$hash}
  built_manager=$cache/kube-controller-manager-$(hash_of "$here/controller-manager/go.sum")
  manager=$(find_program kube-controller-manager "$built_manager")
  built_promtool=$cache/promtool-$(hash_of "$here/promtool/go.sum")
  promtool=$(find_program promtool "$built_promtool")
  # Its own source counts, too: a change of it must not build the other four anew.
  kstatus=$cache/kstatus-$(hash_of "$here/go.sum" "$here/kstatus/main.go")
  case ${1:-} in
    --print-dir)
      echo "$folder"
      return
      ;;
    --print-controller-manager)
      echo "$manager"
      return
      ;;
    --print-promtool)
      echo "$promtool"
      return
      ;;
    --print-kstatus)
      echo "$kstatus/kstatus"
      return
      ;;
    "" | --for-tests) ;;
    *) fail "unknown argument $1: the first lines of build.sh say which there are" ;;
  esac
  if [[ -z ${KUBEBUILDER_ASSETS:-} ]]; then
    build_once "$folder" build_all
  else
    require_assets
    if [[ ! -x $KUBEBUILDER_ASSETS/helm ]] && ! command -v helm >/dev/null; then
      build_once "$cache/helm-$hash" build_helm
    fi
  fi
  if [[ -n ${1:-} ]]; then
    build_once "$kstatus" build_kstatus
    if [[ $manager == "$built_manager/kube-controller-manager" ]]; then
      build_once "$built_manager" build_controller_manager
    fi
    if [[ $promtool == "$built_promtool/promtool" ]]; then
      build_once "$built_promtool" build_promtool
    fi
  fi
  echo "control plane tools: $folder"
}

main "$@"
