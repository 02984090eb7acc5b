# Each library is looked for once, here, with one line that says where it was found or what its absence costs.
# docs/dependencies.md gives the reason and the licence of each.
find_package(PkgConfig QUIET)

function(duet_report name found where cost)
  if(found)
    message(STATUS "duet: ${name}: ${where}")
  else()
    message(STATUS "duet: ${name}: missing; ${cost}")
  endif()
endfunction()

find_package(fmt REQUIRED)
target_link_libraries(duet_options INTERFACE fmt::fmt)
duet_report(fmt TRUE "${fmt_DIR}" "")

find_package(OpenMP QUIET COMPONENTS CXX)
if(OpenMP_CXX_FOUND)
  target_link_libraries(duet_options INTERFACE OpenMP::OpenMP_CXX)
else()
  target_compile_options(duet_options INTERFACE -Wno-unknown-pragmas)
endif()
duet_report(OpenMP "${OpenMP_CXX_FOUND}" "${OpenMP_CXX_VERSION}" "everything runs on one core")

# Not by its own CMake configuration: Debian's fails where OpenCL's headers are missing, which we do not need.
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.hpp)
find_library(DNNL_LIBRARY dnnl)
if(DNNL_INCLUDE_DIR AND DNNL_LIBRARY)
  add_library(duet_onednn INTERFACE)
  target_include_directories(duet_onednn SYSTEM INTERFACE ${DNNL_INCLUDE_DIR})
  target_link_libraries(duet_onednn INTERFACE ${DNNL_LIBRARY})
endif()
duet_report(oneDNN "${DNNL_LIBRARY}" "${DNNL_LIBRARY}" "convolution and matrix products run on our own CPU rows")

find_package(nlohmann_json REQUIRED)
duet_report(nlohmann-json TRUE "${nlohmann_json_DIR}" "")

find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
target_include_directories(duet_options SYSTEM INTERFACE ${XXHASH_INCLUDE_DIR})
duet_report(xxHash TRUE "${XXHASH_INCLUDE_DIR}" "")

if(PkgConfig_FOUND)
  pkg_check_modules(kissfft QUIET IMPORTED_TARGET kissfft-float)
  pkg_check_modules(sndfile QUIET IMPORTED_TARGET sndfile)
  pkg_check_modules(samplerate QUIET IMPORTED_TARGET samplerate)
endif()
duet_report("Kiss FFT" "${kissfft_FOUND}" "${kissfft_VERSION}" "spectrograms by a transform whose length is no power of two run on the reference row")
duet_report(libsndfile "${sndfile_FOUND}" "${sndfile_VERSION}" "no sound file can be read")
duet_report(libsamplerate "${samplerate_FOUND}" "${samplerate_VERSION}" "only 16 kHz sound can be read")

find_path(STB_INCLUDE_DIR stb_image.h PATH_SUFFIXES stb)
duet_report(stb_image "${STB_INCLUDE_DIR}" "${STB_INCLUDE_DIR}" "no picture can be read")

find_package(CLI11 QUIET)
find_package(tomlplusplus QUIET)
duet_report(CLI11 "${CLI11_FOUND}" "${CLI11_DIR}" "train_mm and infer_mm are not built")
duet_report(toml++ "${tomlplusplus_FOUND}" "${tomlplusplus_DIR}" "train_mm and infer_mm are not built")

if(DUET_TESTS)
  find_package(doctest QUIET)
  duet_report(doctest "${doctest_FOUND}" "${doctest_DIR}" "the tests are not built")
endif()

if(DUET_BENCH)
  find_package(benchmark QUIET)
  duet_report("Google Benchmark" "${benchmark_FOUND}" "${benchmark_DIR}" "bench_rows takes times by a loop of its own")
endif()
