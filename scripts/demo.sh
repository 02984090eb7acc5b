#!/usr/bin/env bash
# Duet in a few minutes and without any data: builds the two programs, trains on drawn faces and synthetic voices, once
# with both streams and once with each alone, and asks the model about one pair it has never seen.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C  # a decimal point is a point
started=$SECONDS

scripts/install-dependencies.sh programs
cmake --preset release
cmake --build --preset release --target train_mm infer_mm
bin=build/release/bin

run=runs/demo
for ((n = 2; ; ++n)); do
  [[ -e $run || -e $run-face || -e $run-voice ]] || break
  run=runs/demo-$n
done
mkdir -p runs

train() {
  printf '\n+ train_mm --demo %s\n' "$*"
  "$bin/train_mm" --demo "$@"
}
train --out "$run"
train --stream face --out "$run-face"
train --stream voice --out "$run-voice"

accuracy() {
  sed -n 's/.*"accuracy" *: *\([0-9.eE+-]*\).*/\1/p' "$1/evaluation.json" | head -n 1
}
printf '\nAccuracy on people never seen    face alone %.3f    voice alone %.3f    both %.3f\n' \
  "$(accuracy "$run-face")" "$(accuracy "$run-voice")" "$(accuracy "$run")"

# The first test pair: its columns are found by the header.
pair=$(awk -F, '
  NR == 1 { for (i = 1; i <= NF; ++i) column[$i] = i; next }
  $column["split"] == "test" { print $column["face"] "," $column["voice"] "," $column["label"]; exit }
' <(tr -d '\r' <"$run/pairs.csv"))
IFS=, read -r face voice label <<<"$pair"
# Paths in the file are relative to it.
[[ $face == /* ]] || face=$run/$face
[[ $voice == /* ]] || voice=$run/$voice
printf '\nA pair of the class %s\n+ infer_mm %s --face %s --voice %s\n' \
  "$label" "$run/model.safetensors" "$face" "$voice"
"$bin/infer_mm" "$run/model.safetensors" --face "$face" --voice "$voice"

printf '\nThe whole demo took %d s. The run is in %s.\n' $((SECONDS - started)) "$run"
