#!/usr/bin/env bash
# Builds Duet and runs its tests: scripts/test.sh [PRESET], where a preset is release, debug or asan.
# What the tests need is installed first (asking once); a test that cannot run here is named with its reason.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=${1:-release}

scripts/install-dependencies.sh tests
cmake --preset "$preset"
cmake --build --preset "$preset"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
# ctest's summary is held back until the skipped tests have been listed.
ctest --preset "$preset" --no-tests=error -L '^(unit|gradient|cli|simt|cuda)$' 2>&1 |
  tee "$log" | sed '/tests passed, .* tests\{0,1\} failed out of/,$d' || status=$?

skipped=$(sed -n 's/^SKIPPED: //p' "build/$preset/Testing/Temporary/LastTest.log" 2>/dev/null || true)
if [[ -n $skipped ]]; then
  echo "Skipped:"
  sed 's/^/  /' <<<"$skipped"
  echo
fi
sed -n '/tests passed, .* tests\{0,1\} failed out of/,$p' "$log"
exit "$status"
