#!/usr/bin/env bash
# From start to answer: runs infer_mm N times on one pair and prints the median and the least
# seconds a run. The first run, which brings the model file into the page cache, is not counted.
#
#   bench/start.sh MODEL FACE VOICE [N = 11]
#
# INFER_MM names the program (build/release/bin/infer_mm), INFER_OPTIONS what else it is given, for
# example "--device cpu --threads 1".
set -euo pipefail
if (($# < 3 || $# > 4)); then
  sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
program=${INFER_MM:-$(dirname "$0")/../build/release/bin/infer_mm}
read -ra options <<<"${INFER_OPTIONS:-}"
runs=${4:-11}
command=("$program" "$1" --face "$2" --voice "$3" "${options[@]}")

"${command[@]}" >/dev/null
for ((run = 0; run < runs; ++run)); do
  begin=$(date +%s%N)
  "${command[@]}" >/dev/null
  echo $(($(date +%s%N) - begin))
done | sort -n | awk '
  { nanoseconds[NR] = $1 }
  END { printf "%d runs: median %.3f s, least %.3f s\n",
               NR, nanoseconds[int((NR + 1) / 2)] / 1e9, nanoseconds[1] / 1e9 }'
