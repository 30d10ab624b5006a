# Runs the operator, and sees to it that it doesn't outlive the demo: supervise.sh PROGRAM ARGUMENT...
#
# Standard input is a pipe whose other end only the demo holds. However the demo ends, the kernel closes that end,
# `read` returns, and the operator is asked to stop as a cluster would ask it; if it doesn't, it is killed.
trap '' HUP INT QUIT PIPE
# A background job's standard input is /dev/null, so the pipe needs another number.
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
