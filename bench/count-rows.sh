#!/usr/bin/env bash
# Holds the instructions that one call of each of the CPU's hot rows takes against those kept in
# bench/instruction_counts.txt: a regression that needs no quiet machine to be seen.
#
#   bench/count-rows.sh check [PROGRAM]   fails when a count has risen by more than 3 %, or fallen by
#                                         more than 20 %, so that what is kept stays true
#   bench/count-rows.sh renew [PROGRAM]   counts, and keeps the counts
#   bench/count-rows.sh compare KEPT NEW  the comparison alone, of two files
#   bench/count-rows.sh self-test         the comparison on counts made up
#
# PROGRAM is build/release/bin/count_rows. Counting takes valgrind. Another compiler makes other
# code: with one that the file does not name, the check is skipped.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
kept=$root/bench/instruction_counts.txt
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

skip() {
  echo "SKIPPED: instructions of the CPU's rows: $1"
  exit 77
}

# count PROGRAM: prints the compiler, then count and name of each call. Callgrind collects inside
# `counted_call` and dumps when it returns: the nth dump is the nth call's.
count() {
  OMP_NUM_THREADS=1 valgrind --tool=callgrind --collect-atstart=no --toggle-collect=counted_call \
    --dump-after=counted_call --callgrind-out-file="$folder/dump" "$1" >"$folder/names" \
    2>"$folder/log" || {
    cat "$folder/log" >&2
    return 1
  }
  head -n 1 "$folder/names"
  tail -n +2 "$folder/names" | awk -v dump="$folder/dump" '
    {
      file = dump "." NR
      instructions = 0
      while ((getline line < file) > 0)
        if (line ~ /^(summary|totals):/) { split(line, part, " "); instructions = part[2] }
      if (instructions == 0) { print "no count of " $0 > "/dev/stderr"; exit 1 }
      printf "%12d  %s\n", instructions, $0
    }'
}

# compare KEPT NEW: prints each row that differs too much; status 1 when there is one.
compare() {
  awk '
    $1 !~ /^[0-9]+$/ { next }  # the compiler, comments
    { name = $0; sub(/^ *[0-9]+ +/, "", name) }
    FNR == NR { kept[name] = $1; next }
    !(name in kept) { report(name, "-", $1, "is not kept"); next }
    {
      change = 100 * ($1 / kept[name] - 1)
      if (change > 3 || change < -20) report(name, kept[name], $1, sprintf("%+.1f %%", change))
      seen[name] = 1
      ++compared
    }
    function report(name, kept, now, what) {
      if (!failed) printf "%12s %12s  %-10s  %s\n", "kept", "now", "change", "row"
      printf "%12s %12s  %-10s  %s\n", kept, now, what, name
      failed = 1
    }
    END {
      for (name in kept) if (!(name in seen)) report(name, kept[name], "-", "is gone")
      if (!failed && !compared) { print "nothing was compared"; failed = 1 }
      exit failed
    }' "$1" "$2"
}

# The comparison must find what is planted, and nothing else.
self_test() {
  local failed=0
  local -a lines=("compiler 1.0" "1000 conv2d cpu forward" "2000 adam cpu step")
  expect() { # passes|fails WHAT LINE…
    local wanted=$1 what=$2 found=passes
    shift 2
    printf '%s\n' "$@" >"$folder/new"
    compare "$folder/kept" "$folder/new" >"$folder/said" || found=fails
    if [[ $found != "$wanted" ]]; then
      echo "$what: $found, but should not"
      cat "$folder/said"
      failed=1
    fi
  }
  printf '%s\n' "${lines[@]}" >"$folder/kept"
  expect passes "the same counts" "${lines[@]}"
  expect passes "2 % more and 10 % less" "1020 conv2d cpu forward" "1800 adam cpu step"
  expect fails "10 % more" "1100 conv2d cpu forward" "2000 adam cpu step"
  expect fails "4 % more in the last row" "1000 conv2d cpu forward" "2080 adam cpu step"
  expect fails "30 % less" "700 conv2d cpu forward" "2000 adam cpu step"
  expect fails "a row that is gone" "1000 conv2d cpu forward"
  expect fails "a row that is new" "${lines[@]}" "5 relu cpu forward"
  expect fails "no row at all" "compiler 1.0"
  return "$failed"
}

program=${2:-$root/build/release/bin/count_rows}
case ${1:-} in
  check)
    command -v valgrind >/dev/null || skip "valgrind is not installed"
    compiler=$("$program" --compiler)
    grep -qxF "$compiler" "$kept" ||
      skip "they are kept for $(grep '^compiler' "$kept"), this is $compiler"
    count "$program" >"$folder/new"
    compare "$kept" "$folder/new" || {
      echo "If this is meant: bench/count-rows.sh renew $program"
      exit 1
    }
    ;;
  renew)
    {
      sed '/^#/!d' "$kept" 2>/dev/null || true
      count "$program"
    } >"$folder/renewed"
    cp "$folder/renewed" "$kept"
    ;;
  compare) compare "$2" "$3" ;;
  self-test) self_test ;;
  *)
    sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
