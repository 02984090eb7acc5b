#!/bin/sh
# Runs a compile command of nvcc with -Xptxas=-v: what ptxas tells of each kernel's registers goes to OBJECT.ptxas, for
# scripts/check-spills.sh, and everything else to standard error as before.
object= previous=
for argument; do
  [ "$previous" = -o ] && object=$argument
  previous=$argument
done
[ -n "$object" ] || exec "$@"
"$@" 2>"$object.log"
status=$?
of_ptxas='^ptxas info |bytes stack frame'
grep -E "$of_ptxas" "$object.log" >"$object.ptxas"
grep -vE "$of_ptxas" "$object.log" >&2
rm -f "$object.log"
exit $status
