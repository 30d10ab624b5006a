# Runs one program, and sees to it that it doesn't outlive us: supervise.sh PIDFILE PROGRAM ARGUMENT...
#
# Standard input is a pipe whose other end only our parent holds. However the parent ends, the kernel closes that
# end, `read` returns, and the program is killed. The pid file is there from before the start (our parent makes it)
# until the program is gone: the janitor waits for that before it removes the folder.
trap '' HUP INT QUIT PIPE
pidfile=$1
shift
# A background job's standard input is /dev/null, so the pipe needs another number.
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
