#!/usr/bin/env bash
# Prints the section of CHANGELOG.md about a version. Fails if there is none.
#
#   release/notes.sh VERSION
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

notes=$(awk -v heading="## [$1]" '
  /^## / { inside = index($0, heading) == 1; next }
  inside
' CHANGELOG.md)
if [[ -z ${notes//[[:space:]]/} ]]; then
  echo "error: CHANGELOG.md has no section \`## [$1]\`: rename \`## [Unreleased]\` to it" >&2
  exit 1
fi
# The links of the page lead to files of the repository.
sed "s#](\([^):]*\))#](https://github.com/Oxen-AI/oxen-operator/blob/v$1/\1)#g" <<<"$notes"
