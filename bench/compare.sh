#!/usr/bin/env bash
# Duet beside its peers, as bench/compare.py says: bench/compare.sh --help.
exec python3 "$(dirname "${BASH_SOURCE[0]}")/compare.py" "$@"
