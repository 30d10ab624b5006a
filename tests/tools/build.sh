#!/usr/bin/env bash
# Finds or builds the programs of the local control plane: etcd, kube-apiserver, kubectl and helm.
# For the tests, it also provides kube-controller-manager, promtool and kstatus. It also provides
# actionlint, which checks the workflows. Each has a go.mod of its own (controller-manager/,
# promtool/, actionlint/), except kstatus, whose source is in kstatus/.
#
#   build.sh               finds or builds the first four and prints their folder
#   build.sh --for-tests   finds or builds these and those that the tests need
#   build.sh --actionlint  builds actionlint
#   build.sh --print-dir   prints the folder of the first four and builds nothing
#
# Each of these prints the path of a program and builds nothing:
#
#   build.sh --print-kubectl
#   build.sh --print-helm
#   build.sh --print-actionlint
#   build.sh --print-controller-manager
#   build.sh --print-promtool
#   build.sh --print-kstatus
#
# KUBEBUILDER_ASSETS names a folder that contains the programs. If it is not set, they are built
# from the Go modules that go.mod pins and go.sum verifies. They are stored outside of the clone, in
# a cache folder named after the hash of go.sum, so that all clones share them and `make clean` keeps
# them. tests/cluster searches the same places.
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

# Prints the first 16 hex digits of the hash, which are enough for the name of a folder.
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

elapsed() {
  echo "$((SECONDS / 60)) min $(printf '%02d' $((SECONDS % 60))) s"
}

# Prints progress, because the compiler can be silent for minutes: the elapsed time and the current
# package, every ten seconds or, on a terminal, in one line that is updated every second.
show_progress() {
  local pid=$1 name=$2 log=$3 ticks=0 line
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.5
    ticks=$((ticks + 1))
    if [[ -t 1 && $((ticks % 2)) == 0 ]]; then
      line=$(tail -n 1 "$log" | cut -c 1-60)
      printf '\r\033[K  %s  %s  %s' "$name" "$(elapsed)" "$line"
    elif [[ ! -t 1 && $((ticks % 20)) == 0 ]]; then
      printf '  %s  %s  %s\n' "$name" "$(elapsed)" "$(tail -n 1 "$log" | cut -c 1-60)"
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
  echo "[$number of $total] $name: takes about $expected on two cores with an empty Go cache"
  # With -mod=readonly, a module that is missing from go.sum is an error instead of being added.
  (
    cd "$here"
    CGO_ENABLED=0 GOWORK=off exec go build -v -mod=readonly -trimpath -ldflags "$ldflags" \
      -o "$folder/$name" "$package"
  ) >"$log" 2>&1 &
  pid=$!
  trap 'kill "$pid" 2>/dev/null || true; exit 130' INT TERM
  show_progress "$pid" "$name" "$log"
  if ! wait "$pid"; then
    tail -n 20 "$log" >&2
    fail "$name could not be built: see the compiler output above"
  fi
  trap - INT TERM
  rm "$log"
  echo "[$number of $total] $name: built, $(elapsed) in total"
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

build_actionlint() {
  GOFLAGS="${GOFLAGS:-} -modfile=actionlint/go.mod" \
    build 1 1 actionlint github.com/rhysd/actionlint/cmd/actionlint "30 s" "$1"
}

# The tag omits the service discovery of all cloud providers, which would take far longer to build.
build_promtool() {
  GOFLAGS="${GOFLAGS:-} -modfile=promtool/go.mod -tags=remove_all_sd" \
    build 1 1 promtool github.com/prometheus/prometheus/cmd/promtool "2 min" "$1"
}

# Prints the path of a program. If KUBEBUILDER_ASSETS is set, a program in that folder or in the
# PATH takes precedence over the one that this script builds.
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

# Builds into a temporary folder and renames it, so that no other process sees an incomplete folder.
# Only one process builds and the others wait for it. The compiler inherits the lock, so that they
# also wait for a compiler that still runs after its build.sh was killed.
build_once() {
  local target=$1 how=$2
  if [[ -d $target ]]; then
    return
  fi
  require_go
  mkdir -p "$cache"
  exec 9>"$target.lock"
  if ! flock -n 9; then
    echo "another process is building $target: waiting for it"
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
      fail "KUBEBUILDER_ASSETS is $KUBEBUILDER_ASSETS, but that folder has no program $name"
  done
}

main() {
  # Use only the Go toolchain of this machine, because Go would otherwise download another version.
  export GOTOOLCHAIN=local
  local hash folder built_helm helm built_promtool promtool built_manager manager kstatus actionlint
  hash=$(hash_of "$here/go.sum")
  folder=${KUBEBUILDER_ASSETS:-$cache/tools-$hash}
  built_helm=$cache/tools-$hash
  [[ -z ${KUBEBUILDER_ASSETS:-} ]] || built_helm=$cache/helm-$hash
  helm=$(find_program helm "$built_helm")
  built_manager=$cache/kube-controller-manager-$(hash_of "$here/controller-manager/go.sum")
  manager=$(find_program kube-controller-manager "$built_manager")
  built_promtool=$cache/promtool-$(hash_of "$here/promtool/go.sum")
  promtool=$(find_program promtool "$built_promtool")
  # The hash includes the source of kstatus, so that a change rebuilds kstatus and nothing else.
  kstatus=$cache/kstatus-$(hash_of "$here/go.sum" "$here/kstatus/main.go")
  actionlint=$cache/actionlint-$(hash_of "$here/actionlint/go.sum")
  case ${1:-} in
    --print-dir)
      echo "$folder"
      return
      ;;
    --print-kubectl)
      echo "$folder/kubectl"
      return
      ;;
    --print-helm)
      echo "$helm"
      return
      ;;
    --print-actionlint)
      echo "$actionlint/actionlint"
      return
      ;;
    --actionlint)
      build_once "$actionlint" build_actionlint
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
    *) fail "unknown argument $1: see the first lines of build.sh for the valid ones" ;;
  esac
  if [[ -z ${KUBEBUILDER_ASSETS:-} ]]; then
    build_once "$folder" build_all
  else
    require_assets
    if [[ $helm == "$built_helm/helm" ]]; then
      build_once "$built_helm" build_helm
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
