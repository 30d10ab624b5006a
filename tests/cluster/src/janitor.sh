# Makes a temporary folder, says its name, and removes it when our parent has ended, however it ended.
#
# Made here and not by the parent, so that there is no moment in which the folder exists and nobody cares for it.
trap '' HUP INT QUIT TERM PIPE
folder=$(mktemp -d "${TMPDIR:-/tmp}/oxen-cluster-XXXXXXXX") || exit 1
echo "$folder"
exec >/dev/null
read -r _

# A program that still runs would write into the folder while it is removed. The supervisors end them at once;
# if one can't, because somebody killed the supervisor, we do it.
tries=0
while set -- "$folder"/*.pid && [ -e "$1" ] && [ "$tries" -lt 250 ]; do
  sleep 0.02
  tries=$((tries + 1))
done
for pidfile in "$folder"/*.pid; do
  [ -s "$pidfile" ] && kill -KILL "$(cat "$pidfile")" 2>/dev/null
done
rm -rf "$folder"
