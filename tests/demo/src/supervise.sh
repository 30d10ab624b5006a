# Runs the operator, and stops it when the demo ends.
#
# Usage: supervise.sh PROGRAM ARGUMENT...
#
# Standard input is a pipe whose other end only the demo holds. When the demo ends for any reason,
# the kernel closes that end, and `read` returns. The operator then gets SIGTERM, as it would from a
# kubelet, and SIGKILL if it still runs after 5 s.
trap '' HUP INT QUIT PIPE
# The shell replaces the standard input of a background job with /dev/null, so the pipe needs
# another file descriptor.
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
(
  read -r _ <&3
  kill -TERM "$child" || exit
  tries=0
  while kill -0 "$child" && [ "$tries" -lt 50 ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
  kill -KILL "$child"
) >/dev/null 2>&1 &
reader=$!
wait "$child"
code=$?
kill -KILL "$reader" 2>/dev/null
exit "$code"
