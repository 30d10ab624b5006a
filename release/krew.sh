#!/usr/bin/env bash
# Prints the manifest of the kubectl plugin for krew, whose file is oxen.yaml.
#
#   release/krew.sh FOLDER ARCHITECTURE...
#
# FOLDER has the archives of the plugin, kubectl-oxen-linux-ARCHITECTURE.tar.gz, whose checksums the
# manifest contains. There are no archives for macOS, because nothing here compiles for it: cargo
# builds the plugin there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder=$1
shift
version=$(release/version.sh)
repository=https://github.com/Oxen-AI/oxen-operator
cat <<EOF
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: oxen
spec:
  version: v$version
  homepage: $repository
  shortDescription: Show and switch Oxen.ai models
  description: |
    Shows the Oxen.ai models that OxenModel objects declare: which ones are on and until when, what
    happens next, and what needs a person. It turns models on and off for a while, waits until they
    are, and ends or suspends what the operator does. The cluster needs the oxen-operator.
  caveats: |
    To complete names and flags, run:
      kubectl oxen completion kubectl >"\${KREW_ROOT:-\$HOME/.krew}/bin/kubectl_complete-oxen"
      chmod +x "\${KREW_ROOT:-\$HOME/.krew}/bin/kubectl_complete-oxen"
  platforms:
EOF
for architecture in "$@"; do
  archive=kubectl-oxen-linux-$architecture.tar.gz
  sum=$(sha256sum "$folder/$archive")
  cat <<EOF
  - selector:
      matchLabels:
        os: linux
        arch: $architecture
    uri: $repository/releases/download/v$version/$archive
    sha256: ${sum%% *}
    bin: kubectl-oxen
EOF
done
