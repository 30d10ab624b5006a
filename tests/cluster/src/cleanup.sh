# Creates a temporary folder, prints its path, and removes it when the parent process ends.
#
# This script creates the folder, and not the parent: a parent that is killed after it has created
# the folder and before it has started this script would leak the folder. Standard input is a pipe
# whose other end only the parent holds, so `read` returns when the parent closes it or ends for any
# reason.
trap '' HUP INT QUIT TERM PIPE
folder=$(mktemp -d "${TMPDIR:-/tmp}/oxen-cluster-XXXXXXXX") || exit 1
echo "$folder"
exec >/dev/null
read -r _

# A running program would write to the folder during the removal. Each supervisor kills its program
# when the parent ends. If a supervisor itself was killed, its program is killed here after 5 s.
tries=0
while set -- "$folder"/*.pid && [ -e "$1" ] && [ "$tries" -lt 250 ]; do
  sleep 0.02
  tries=$((tries + 1))
done
for pidfile in "$folder"/*.pid; do
  [ -s "$pidfile" ] && kill -KILL "$(cat "$pidfile")" 2>/dev/null
done
rm -rf "$folder"
