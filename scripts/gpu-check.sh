#!/usr/bin/env bash
# Everything that only a GPU can tell, in under nine minutes: builds Duet for the GPU at hand, runs the tests with its rows,
# compute-sanitizer over the kernels, a training beside the CPU's, and times every row beside its library twin.
#
#   scripts/gpu-check.sh [run] [--out DIR]   writes DIR/<device>.json and .md (default: docs/benchmarks); exit status 0 when
#                                            all passed, 1 when something failed, 2 without nvcc or GPU
#   scripts/gpu-check.sh --dry-run           says what a run would do, and with what
#   scripts/gpu-check.sh bundle              makes build/gpu-bundle.tar.gz of the header-only libraries, for a machine where
#                                            they are missing and cannot be had; a run there unpacks it
#
# A machine needs nvcc, a C++20 compiler and CMake; what else is missing there is left out. GPU_CHECK_SECONDS is the whole
# budget (default 540), and every part has its share of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bundle=build/gpu-bundle
build=build/gpu
results=$build/results
started=$SECONDS
budget=${GPU_CHECK_SECONDS:-540}
# For the report, at the end.
reserve=10

die() {
  echo "gpu-check: $1" >&2
  exit "${2:-1}"
}

# ---- The bundle

# header NAME: the folder in which the compiler finds <NAME>.
header() {
  local path
  path=$(printf '#include <%s>\n' "$1" | "${CXX:-g++}" -std=c++20 -E -x c++ - 2>/dev/null |
    sed -n "s|^# 1 \"\(.*\)/$1\".*|\1|p" | head -n 1)
  [[ -n $path ]] || die "no header <$1>: scripts/install-dependencies.sh tests installs it"
  echo "$path"
}

# package NAME TARGET [DEFINITION]: a CMake package of nothing but the bundle's headers.
package() {
  local folder=$bundle/lib/cmake/$1
  mkdir -p "$folder"
  cat >"$folder/$1Config.cmake" <<END
if(NOT TARGET $2)
  list(APPEND CMAKE_MODULE_PATH "\${CMAKE_CURRENT_LIST_DIR}")
  add_library($2 INTERFACE IMPORTED)
  set_target_properties($2 PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "\${CMAKE_CURRENT_LIST_DIR}/../../../include"
                                      INTERFACE_COMPILE_DEFINITIONS "${3:-}")
endif()
END
}

make_bundle() {
  rm -rf "$bundle"
  mkdir -p "$bundle/include" "$bundle/licences"
  local from name
  for name in fmt/core.h nlohmann/json.hpp CLI/CLI.hpp doctest/doctest.h toml++/toml.h; do
    from=$(header "$name")
    cp -rL "$from/${name%%/*}" "$bundle/include/"
  done
  cp -L "$(header xxhash.h)/xxhash.h" "$bundle/include/"
  for name in stb_image.h stb_image_write.h; do
    cp -L "$(header "stb/$name")/stb/$name" "$bundle/include/"
  done
  package fmt fmt::fmt FMT_HEADER_ONLY=1
  package nlohmann_json nlohmann_json::nlohmann_json
  package CLI11 CLI11::CLI11
  package doctest doctest::doctest
  package tomlplusplus tomlplusplus::tomlplusplus TOML_HEADER_ONLY=1
  from=$(dirname "$(find /usr/lib/cmake /usr/share/cmake /usr/local/lib/cmake -name doctestAddTests.cmake 2>/dev/null | head -n 1)")
  cp "$from/doctest.cmake" "$from/doctestAddTests.cmake" "$bundle/lib/cmake/doctest/"
  for name in libfmt-dev nlohmann-json3-dev libcli11-dev doctest-dev libtomlplusplus-dev libxxhash-dev libstb-dev; do
    [[ ! -e /usr/share/doc/$name/copyright ]] || cp -L "/usr/share/doc/$name/copyright" "$bundle/licences/$name"
  done
  commit >"$bundle/commit"
  tar -C build -czf "$bundle.tar.gz" gpu-bundle
  echo "$bundle.tar.gz: $(du -h "$bundle.tar.gz" | cut -f 1), $(find "$bundle" -type f | wc -l) files"
}

# The commit that is checked: of the checkout, or of that in which the bundle was made.
commit() {
  local name
  if name=$(git -c safe.directory="$PWD" rev-parse --short HEAD 2>/dev/null); then
    [[ -z $(git -c safe.directory="$PWD" status --porcelain 2>/dev/null) ]] || name+=+
    echo "$name"
  elif [[ -e $bundle/commit ]]; then
    cat "$bundle/commit"
  else
    echo unknown
  fi
}

# ---- The machine

find_tools() {
  local folder
  for folder in "${CUDA_PATH:+$CUDA_PATH/bin}" /usr/local/cuda/bin /opt/cuda/bin; do
    [[ -z $folder || ! -d $folder ]] || PATH=$PATH:$folder
  done
  nvcc=$(command -v nvcc) || die "no nvcc on this machine: nothing can be built for a GPU" 2
  command -v nvidia-smi >/dev/null && device=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1) &&
    [[ -n $device ]] || die "no NVIDIA GPU on this machine (nvidia-smi names none)" 2
  # "9.0" is 90.
  architecture=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)
  driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -n 1)
  command -v cmake >/dev/null || die "no cmake on this machine"
  generator="Unix Makefiles"
  ! command -v ninja >/dev/null || generator=Ninja
  sanitizer=$(command -v compute-sanitizer || true)
}

# CUDA's libraries may have come as Python wheels, under names that no linker looks for. Of what the toolkit lacks, links
# with such names are put into one folder.
link_wheels() {
  local root site library file name found=
  root=$(dirname "$(dirname "$(readlink -f "$nvcc")")")
  site=$(python3 -c 'import nvidia; print(list(nvidia.__path__)[0])' 2>/dev/null) || return 0
  mkdir -p "$build/wheels"
  # nvrtc and nvJitLink are what cuDNN and cuFFT load by themselves, and look for beside them.
  for library in cublas cufft cudnn nvrtc nvJitLink; do
    # Without the linker's name (libX.so) a library cannot be built against, whatever else is there.
    [[ -z $(find "$root"/lib* "$root"/targets/*/lib /usr/lib/x86_64-linux-gnu -maxdepth 1 -name "lib$library.so" 2>/dev/null) ]] ||
      continue
    # cublasLt and the parts of cuDNN with them.
    for file in "$site"/*/lib/lib"$library"*.so.*; do
      [[ -e $file ]] || continue
      name=$(basename "$file")
      ln -sf "$file" "$build/wheels/$name"
      ln -sf "$file" "$build/wheels/${name%%.so.*}.so"
      found=yes
    done
  done
  [[ -z $found ]] || wheels=("$site"/*/include)
}

# ---- Parts. Each ends as a line of results/parts.tsv: name, passed|failed|timeout|skipped, seconds, remark.

left() { echo $((budget - reserve - (SECONDS - started))); }

# part NAME SECONDS COMMAND...: the command's output goes to results/NAME.log.
part() {
  local name=$1 limit=$2 status=0 from=$SECONDS outcome
  shift 2
  ((limit < $(left))) || limit=$(left)
  if ((limit < 5)); then
    remark "$name" skipped 0 "no time left"
    return 1
  fi
  echo "== $name (at most $limit s)"
  timeout --kill-after=5 "$limit" "$@" >"$results/$name.log" 2>&1 || status=$?
  case $status in
    0) outcome=passed ;;
    124 | 137) outcome=timeout ;;
    *) outcome=failed ;;
  esac
  remark "$name" "$outcome" $((SECONDS - from)) "exit status $status"
  [[ $outcome == passed ]]
}

remark() {
  printf '%s\t%s\t%s\t%s\n' "$@" >>"$results/parts.tsv"
  echo "   $1: $2${4:+ ($4)}"
}

configure() {
  local prefix="" options=()
  if [[ ! -d $bundle && -e $bundle.tar.gz ]]; then
    tar -C build -xzf "$bundle.tar.gz"
  fi
  [[ ! -d $bundle ]] || prefix=$PWD/$bundle
  wheels=()
  link_wheels
  if ((${#wheels[@]} > 0)); then
    options+=(-DCMAKE_LIBRARY_PATH="$PWD/$build/wheels" "-DCMAKE_INCLUDE_PATH=$(IFS=';' && echo "${wheels[*]}")"
      "-DCMAKE_CXX_FLAGS=${wheels[*]/#/-idirafter }")
  fi
  part configure 60 cmake -S . -B "$build" -G "$generator" -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_CUDA_COMPILER="$nvcc" -DCMAKE_CUDA_ARCHITECTURES="$architecture-real" "${options[@]}" || return 1
  sed -n 's/^-- duet: //p' "$results/configure.log" >"$results/libraries.txt"
}

# Targets that this machine's libraries allow.
targets() {
  local target help
  help=$(cmake --build "$build" --target help)
  for target in gpu_report test_unit test_gradient test_cuda bench_rows train_mm; do
    ! grep -Eq "(^|[ .])$target(:|$| )" <<<"$help" || echo "$target"
  done
}

run() {
  find_tools
  rm -rf "$results"
  mkdir -p "$results"
  printf 'device=%s\ndriver=%s\narchitecture=%s\ncuda=%s\nhost=%s, %s threads\ncommit=%s\ndate=%s\n' "$device" "$driver" \
    "$architecture" "$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')" \
    "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(commit)" "$(date +%F)" >"$results/machine.txt"
  cat "$results/machine.txt"

  configure || { tail -n 30 "$results/configure.log"; die "CMake fails: $results/configure.log"; }
  local all bin=$build/bin
  mapfile -t all < <(targets)
  # The report first: without it nothing is told. Then all that can be built, whatever else cannot.
  local on=(-k)
  [[ $generator != Ninja ]] || on=(-k 0)
  part build 300 bash -c 'build=$1 on=$2; shift 2
    cmake --build "$build" --parallel "$(nproc)" --target gpu_report &&
      cmake --build "$build" --parallel "$(nproc)" --target "$@" -- $on' \
    build "$build" "${on[*]}" "${all[@]}" || { grep -m 40 -E 'error|FAILED' "$results/build.log" || true; }
  [[ -x $bin/gpu_report ]] || die "nothing was built: $results/build.log"

  export DUET_COMPARED_ROWS=$PWD/$results/compared.tsv
  program test_cuda 20
  program test_unit 120
  program test_gradient 100
  unset DUET_COMPARED_ROWS

  # Over every test that compares the rows of an op, at small sizes. What the libraries ask of CUDA in vain is their affair, and
  # so are their kernels, where this version can leave them out.
  if [[ -z $sanitizer ]]; then
    remark memcheck skipped 0 "compute-sanitizer is not installed"
    remark racecheck skipped 0 "compute-sanitizer is not installed"
  elif [[ -x $bin/test_unit ]]; then
    local ours=(--kernel-name kns=duet)
    [[ $("$sanitizer" --help 2>&1 || true) == *--kernel-name* ]] || ours=()
    part memcheck 70 "$sanitizer" --tool memcheck --report-api-errors no --error-exitcode 86 "${ours[@]}" "$bin/test_unit" \
      -tc='*every row*' || true
    part racecheck 70 "$sanitizer" --tool racecheck --error-exitcode 86 "${ours[@]}" "$bin/test_unit" -tc='*every row*' || true
  fi

  if [[ -x $bin/bench_rows ]]; then
    local precision
    for precision in f32 tf32 bf16; do
      part "bench-$precision" 75 "$bin/bench_rows" --device cuda --precision "$precision" --seconds 0.1 --budget 55 \
        --json "$results/rows-$precision.json" || true
    done
  else
    remark bench skipped 0 "bench_rows could not be built"
  fi

  # The demo reads its own sound files.
  if [[ -x $bin/train_mm ]] && grep -q '^libsndfile: [^m]' "$results/libraries.txt"; then
    local training=("$bin/train_mm" --demo --max-steps 50)
    part train-cpu 60 "${training[@]}" --device cpu --out "$results/train-cpu" || true
    part train-cuda 60 "${training[@]}" --device cuda --out "$results/train-cuda" || true
    part train-graph 60 "${training[@]}" --device cuda --cuda-graph --out "$results/train-graph" || true
  elif [[ -x $bin/train_mm ]]; then
    remark train-cuda skipped 0 "without libsndfile the demo cannot be read: test_unit trained a network of its own"
  else
    remark train-cuda skipped 0 "train_mm could not be built"
  fi

  # The machine may be gone soon: the logs of what failed go with the report.
  local name outcome rest
  while IFS=$'\t' read -r name outcome rest; do
    [[ $outcome == failed || $outcome == timeout ]] || continue
    mkdir -p "$out/logs"
    tail -c 200000 "$results/$name.log" >"$out/logs/$name.log"
  done <"$results/parts.tsv"
  "$bin/gpu_report" "$results" "$out"
}

# program NAME SECONDS: one of the test programs.
program() {
  if [[ -x $build/bin/$1 ]]; then
    part "$1" "$2" "$build/bin/$1" || true
  else
    remark "$1" skipped 0 "it could not be built"
  fi
}

command=run out=docs/benchmarks
while (($# > 0)); do
  case $1 in
    run | bundle) command=$1 ;;
    --dry-run) command=dry_run ;;
    --out)
      out=${2:?--out DIR}
      shift
      ;;
    *)
      awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0" >&2
      exit 2
      ;;
  esac
  shift
done
case $command in
  bundle) make_bundle ;;
  run) run ;;
  dry_run)
    find_tools
    echo "device       $device (compute capability $architecture, driver $driver)"
    echo "nvcc         $nvcc"
    echo "generator    $generator"
    echo "sanitizer    ${sanitizer:-none: memcheck and racecheck are skipped}"
    echo "bundle       $([[ -e $bundle.tar.gz || -d $bundle ]] && echo "$bundle" || echo "none: the system's libraries")"
    echo "commit       $(commit)"
    echo "budget       $budget s: configure 60, build 300, test_cuda 20, test_unit 120, test_gradient 100, memcheck 70,"
    echo "             racecheck 70, bench 75 in each precision, train-cpu, train-cuda and train-graph 60, each at most what is left"
    echo "report       $out"
    ;;
esac
