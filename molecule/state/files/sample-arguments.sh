#!/bin/sh
# sample-arguments.sh FILE: writes the arguments of every process there is into FILE until FILE.stop exists.
: > "$1"
while [ ! -e "$1.stop" ]; do
  cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' >> "$1"
  sleep 0.05
done
sort -u -o "$1" "$1"
touch "$1.done"
