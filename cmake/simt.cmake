# CUDA kernels compiled as ordinary C++, to run in the emulator kernels/simt. A flavour is
#
#   plain    as everything else is compiled (with the build's own sanitizers, if any)
#   asan     with AddressSanitizer and UndefinedBehaviorSanitizer, whatever the build has
#   tsan     with ThreadSanitizer, which sees each CUDA thread as a thread
#   traffic  with every access to memory counted (kernels/simt/traffic.h)
#
# The last three cannot be had in a build that is sanitized itself.

include(CheckLinkerFlag)

# The compiler's options that `traffic` needs are GCC's.
set(DUET_COUNTS_TRAFFIC OFF)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND NOT DUET_SANITIZE)
  set(DUET_COUNTS_TRAFFIC ON)
endif()

# duet_cuda_sources(RESULT): every handwritten CUDA kernel of the project.
function(duet_cuda_sources result)
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/kernels/*/*_cuda*.cu" "${PROJECT_SOURCE_DIR}/layers/fusion/*.cu")
  set(${result} ${sources} PARENT_SCOPE)
endfunction()

# duet_simt_flavour(FLAVOUR): makes the targets duet_simt_options_FLAVOUR (how to compile and link) and duet_simt_FLAVOUR
# (the objects of the emulator). Flavours are made when they are first asked for.
function(duet_simt_flavour flavour)
  if(TARGET duet_simt_${flavour})
    return()
  endif()
  if(DUET_SANITIZE AND NOT flavour STREQUAL plain)
    message(FATAL_ERROR "The ${flavour} flavour of the emulator cannot be built with DUET_SANITIZE=${DUET_SANITIZE}")
  endif()
  set(options duet_simt_options_${flavour})
  add_library(${options} INTERFACE)
  target_link_libraries(${options} INTERFACE duet_options ${CMAKE_DL_LIBS})
  if(flavour STREQUAL asan)
    set(sanitizers -fsanitize=address,undefined)
    target_compile_options(${options} INTERFACE -fno-sanitize-recover=all)
  elseif(flavour STREQUAL tsan)
    set(sanitizers -fsanitize=thread)
  elseif(flavour STREQUAL traffic)
    # The compiler's calls at each access, and none of ThreadSanitizer's library. Optimised, for what is read once to be read once,
    # but not so that packets are taken apart and neighbours joined.
    target_compile_options(${options} INTERFACE -O2 -g1 -fsanitize=thread --param tsan-instrument-func-entry-exit=0 -fno-tree-sra
                           -fno-tree-vectorize -fno-store-merging -fno-tree-loop-distribute-patterns)
    target_compile_definitions(${options} INTERFACE DUET_SIMT_TRAFFIC)
  elseif(NOT flavour STREQUAL plain)
    message(FATAL_ERROR "duet_simt_flavour: no flavour ${flavour}")
  endif()
  if(sanitizers)
    target_compile_options(${options} INTERFACE -O1 -g ${sanitizers} -fno-omit-frame-pointer)
    target_link_options(${options} INTERFACE ${sanitizers})
    # GNU ld gives an inline function that two files share to the debug information of both, and then libbacktrace, which
    # writes the reports, finds no lines for one of the files.
    check_linker_flag(CXX -fuse-ld=gold DUET_HAS_GOLD)
    if(DUET_HAS_GOLD)
      target_link_options(${options} INTERFACE -fuse-ld=gold)
    endif()
  endif()

  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/kernels/simt/*.cpp")
  add_library(duet_simt_${flavour} OBJECT ${sources})
  if(flavour STREQUAL traffic)
    target_link_libraries(duet_simt_traffic PRIVATE duet_options)
    target_compile_definitions(duet_simt_traffic PRIVATE DUET_SIMT_TRAFFIC)
  elseif(flavour STREQUAL tsan)
    # The emulator works for all threads at once; the race detector must see the kernels alone.
    target_link_libraries(duet_simt_tsan PRIVATE duet_options)
    target_compile_options(duet_simt_tsan PRIVATE -g)
    target_compile_definitions(duet_simt_tsan PRIVATE DUET_SIMT_TSAN)
  else()
    target_link_libraries(duet_simt_${flavour} PRIVATE ${options})
  endif()
endfunction()

# duet_simt_library(NAME FLAVOUR [file.cu…]): an OBJECT library of the given kernels, with the emulator. A wrapper is
# generated for each file: the property LANGUAGE, which could make g++ take a .cu, would hold for all targets of a folder, nvcc's too.
# Whoever links NAME gets the objects of both.
function(duet_simt_library name flavour)
  duet_simt_flavour(${flavour})
  # The emulator's objects stand first, so that inline functions it shares with kernels are linked as it needs them.
  add_library(${name} INTERFACE)
  target_sources(${name} INTERFACE $<TARGET_OBJECTS:duet_simt_${flavour}>)
  target_link_libraries(${name} INTERFACE duet_simt_options_${flavour})
  set(wrappers)
  foreach(kernel ${ARGN})
    file(RELATIVE_PATH path ${PROJECT_SOURCE_DIR} ${kernel})
    set(wrapper "${CMAKE_CURRENT_BINARY_DIR}/${name}/${path}.cpp")
    file(CONFIGURE OUTPUT "${wrapper}" CONTENT "#include \"${path}\"\n")
    list(APPEND wrappers "${wrapper}")
  endforeach()
  if(wrappers)
    add_library(${name}_objects OBJECT ${wrappers})
    target_link_libraries(${name}_objects PRIVATE duet_simt_options_${flavour})
    target_compile_options(${name}_objects PRIVATE -Wno-unknown-pragmas)
    target_sources(${name} INTERFACE $<TARGET_OBJECTS:${name}_objects>)
  endif()
endfunction()
