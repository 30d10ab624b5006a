# Runs a program, and kills it when the parent process ends.
#
# Usage: supervise.sh PIDFILE PROGRAM ARGUMENT...
#
# Standard input is a pipe whose other end only the parent holds. When the parent ends for any
# reason, the kernel closes that end, `read` returns, and the program is killed. The parent creates
# the pid file before the start, and it exists until the program has ended: cleanup.sh waits for its
# removal before it removes the folder.
trap '' HUP INT QUIT PIPE
pidfile=$1
shift
# The shell replaces the standard input of a background job with /dev/null, so the pipe needs
# another file descriptor.
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
echo "$child" >"$pidfile"
(
  read -r _ <&3
  kill -KILL "$child"
) 2>/dev/null &
reader=$!
wait "$child"
code=$?
kill -KILL "$reader" 2>/dev/null
rm -f "$pidfile"
exit "$code"
