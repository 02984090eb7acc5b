#!/usr/bin/env bash
# Installs what is missing to build and run Duet on Debian 12, Ubuntu 24.04 and newer, asking once.
#
#   scripts/install-dependencies.sh [programs|tests|ci]      default: tests
#
# Does nothing, and needs no network, when everything is there.
set -euo pipefail

purpose=${1:-tests}
# Without these nothing can be built.
required=(g++ cmake ninja-build pkgconf libfmt-dev nlohmann-json3-dev libxxhash-dev libcli11-dev
  libtomlplusplus-dev)
# Without one of these Duet builds, and the configure step says what its absence costs.
optional=(ccache libdnnl-dev libkissfft-dev libsndfile1-dev libsamplerate0-dev libstb-dev)
case $purpose in
  programs) ;;
  tests)
    required+=(doctest-dev)
    optional+=(libbenchmark-dev valgrind)
    ;;
  # The one version of clang-format that the sources are formatted by.
  ci)
    required+=(doctest-dev clang-format-14 git)
    optional+=(libbenchmark-dev valgrind)
    ;;
  *)
    echo "usage: $0 [programs|tests|ci]" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "This system has no dpkg: install what these packages of Debian hold, if it is not there yet:"
  echo "  ${required[*]}"
  echo "and, for speed and for reading sounds and pictures:"
  echo "  ${optional[*]}"
  exit 0
fi

absent() {
  local package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status} ' "$package" 2>/dev/null || true) == *installed\ * ]] ||
      echo "$package"
  done
}

mapfile -t missing < <(absent "${required[@]}" "${optional[@]}")
((${#missing[@]} == 0)) && exit 0
as_root=()
if ((EUID != 0)); then
  as_root=(sudo)
fi
command="${as_root[*]} apt-get install --no-install-recommends ${missing[*]}"

# Goes on where only optional packages are missing.
without() {
  mapfile -t needed < <(absent "${required[@]}")
  if ((${#needed[@]} > 0)); then
    echo "$1; Duet cannot be built without ${needed[*]}. To install what is missing:" >&2
    echo "  ${command# }" >&2
    exit 1
  fi
  echo "$1; going on without ${missing[*]}. To install them:"
  echo "  ${command# }"
  exit 0
}

echo "Missing packages: ${missing[*]}"
command -v apt-get >/dev/null || without "apt-get is not there"
((EUID == 0)) || command -v sudo >/dev/null || without "Neither root nor sudo"
if [[ ${CI:-} != true && -t 0 ]]; then
  read -r -p "Install them with apt? [Y/n] " answer || answer=n
  [[ ${answer:-y} == [Yy]* ]] || without "Not installed"
fi
"${as_root[@]}" apt-get update || true  # the lists at hand may do
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y --no-install-recommends "${missing[@]}" || without "apt-get failed"
