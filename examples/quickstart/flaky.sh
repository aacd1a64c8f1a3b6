#!/bin/sh
# Fails at its first two attempts and then runs for good; the file named by $1 counts the attempts.
attempt=$(($(cat "$1" 2>/dev/null || echo 0) + 1))
echo "$attempt" >"$1"
if [ "$attempt" -le 2 ]; then
  echo "attempt $attempt: the cache is cold, giving up" >&2
  exit 1
fi
echo "attempt $attempt: settled"
exec sleep 1000000
