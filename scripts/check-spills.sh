#!/usr/bin/env bash
# Fails when a CUDA kernel keeps registers in memory (a spill) without a reason, or when a reason is no longer needed.
#
#   scripts/check-spills.sh OBJECT…      the objects of target duet_cuda_kernels; beside each lies what ptxas said of it
#
# scripts/spills.txt lists the spills that may be: architecture, part of the kernel's (mangled) name, reason.
set -euo pipefail

allowed=${SPILLS:-$(dirname "$0")/spills.txt}
(($# > 0)) || { echo "usage: $0 OBJECT..." >&2; exit 2; }
logs=("${@/%/.ptxas}")
for log in "${logs[@]}"; do
  [[ -s $log ]] || { echo "$log: missing or empty: build target duet_cuda_kernels first" >&2; exit 2; }
done

awk '
  FILENAME == ARGV[1] {
    if ($0 ~ /^#/ || NF == 0) next
    if (NF < 3) { print ARGV[1] ": no reason: " $0; failed = 1; next }
    arch[++n] = $1; part[n] = $2
    next
  }
  # "Compiling entry function '\''NAME'\'' for '\''sm_90'\''"
  /Compiling entry function/ { split($0, quoted, "\047"); kernel = quoted[2]; target = quoted[4]; ++kernels }
  /bytes spill stores/ && kernel != "" {
    match($0, /[0-9]+ bytes spill stores/); stores = substr($0, RSTART, RLENGTH) + 0
    match($0, /[0-9]+ bytes spill loads/); loads = substr($0, RSTART, RLENGTH) + 0
    if (stores + loads > 0) {
      excused = 0
      for (i = 1; i <= n; ++i)
        if (arch[i] == target && index(kernel, part[i])) { excused = 1; needed[i] = 1 }
      if (!excused) {
        printf "%s: %s for %s spills: %d bytes stored, %d loaded\n", FILENAME, kernel, target, stores, loads
        failed = 1
      }
    }
    kernel = ""
  }
  END {
    for (i = 1; i <= n; ++i)
      if (!needed[i]) { printf "%s: %s %s spills no more: remove the line\n", ARGV[1], arch[i], part[i]; failed = 1 }
    if (!kernels) { print "no kernel in the logs of ptxas"; failed = 1 }
    if (!failed) printf "%d kernels, no spill without a reason\n", kernels
    exit failed
  }' "$allowed" "${logs[@]}"
