# The CUDA plugin, libduet_cuda.so: the handwritten kernels as nvcc compiles them, the library rows, and the device
# itself. The programs open it when a CUDA device is asked for; nothing else links the CUDA libraries.
#
# It lies beside the programs. Where nvcc is missing it is left out with one line. Targets:
#
#   duet_cuda_kernels   kernels/*/*_cuda*.cu and layers/fusion/*.cu, by nvcc
#   duet_cuda_host      kernels/cuda/*.cpp, the rows that call a library (*_cublas.cpp, *_cudnn.cpp, *_cufft.cpp), and once
#                       more the lists of the ops that have rows here: with DUET_CUDA_PLUGIN=1 they name these alone
#   duet_cuda           the plugin
option(DUET_CUDA "Build the CUDA plugin where nvcc is found" ON)

set(cost "no CUDA device can be used")
if(NOT DUET_CUDA)
  duet_report("CUDA plugin" FALSE "" "DUET_CUDA is OFF: ${cost}")
  return()
endif()
if(DUET_SANITIZE)
  duet_report("CUDA plugin" FALSE "" "it is not built with sanitizers: ${cost}")
  return()
endif()

find_program(DUET_NVCC nvcc HINTS ENV CUDA_PATH PATHS /usr/local/cuda/bin /opt/cuda/bin)
if(DUET_NVCC AND NOT CMAKE_CUDA_COMPILER)
  set(CMAKE_CUDA_COMPILER "${DUET_NVCC}")
endif()
if(NOT CMAKE_CUDA_ARCHITECTURES)
  # Machine code for the A100 and the H100, and PTX for what comes after.
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90 CACHE STRING "What nvcc compiles for")
endif()
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  duet_report(CUDA FALSE "" "no nvcc: ${cost}")
  return()
endif()
enable_language(CUDA)
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")  # which older CMakes do not know of nvcc
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
endif()
find_package(CUDAToolkit REQUIRED)
duet_report(CUDA TRUE "${CMAKE_CUDA_COMPILER} (${CMAKE_CUDA_COMPILER_VERSION})" "")

# Each library's rows are left out where it is missing.
set(duet_cuda_libraries)
foreach(library cublas cufft)
  if(TARGET CUDA::${library})
    list(APPEND duet_cuda_libraries ${library})
    set(${library}_target CUDA::${library})
  endif()
endforeach()
if(TARGET CUDA::cublasLt AND cublas_target)
  set(cublas_target CUDA::cublas CUDA::cublasLt)
endif()
find_path(CUDNN_INCLUDE_DIR cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
find_library(CUDNN_LIBRARY NAMES cudnn libcudnn.so.9 HINTS ${CUDAToolkit_LIBRARY_DIR})
if(CUDNN_INCLUDE_DIR AND CUDNN_LIBRARY)
  add_library(duet_cudnn INTERFACE)
  target_include_directories(duet_cudnn SYSTEM INTERFACE ${CUDNN_INCLUDE_DIR})
  target_link_libraries(duet_cudnn INTERFACE ${CUDNN_LIBRARY})
  list(APPEND duet_cuda_libraries cudnn)
  set(cudnn_target duet_cudnn)
endif()
duet_report(cuBLAS "${cublas_target}" "${CUDAToolkit_LIBRARY_DIR}" "linear layers on CUDA have no library row")
duet_report(cuFFT "${cufft_target}" "${CUDAToolkit_LIBRARY_DIR}" "spectrograms on CUDA have no library row")
duet_report(cuDNN "${cudnn_target}" "${CUDNN_LIBRARY}" "layers on CUDA have our own rows alone")

duet_cuda_sources(kernels)
add_library(duet_cuda_kernels OBJECT ${kernels})
target_include_directories(duet_cuda_kernels PRIVATE ${PROJECT_SOURCE_DIR})
# fmt takes nvcc for a compiler that knows no constexpr, and cannot check format strings under it; g++ checks them where it
# compiles the same file.
target_compile_definitions(duet_cuda_kernels PRIVATE DUET_CUDA_PLUGIN=1 FMT_USE_CONSTEXPR=1 "FMT_CONSTEVAL=")
target_compile_options(duet_cuda_kernels PRIVATE --expt-relaxed-constexpr --extended-lambda --Werror=all-warnings -Xptxas=-v)
# As an include directory by name, /usr/include hides what g++ puts before it.
get_target_property(fmt_headers fmt::fmt INTERFACE_INCLUDE_DIRECTORIES)
list(REMOVE_ITEM fmt_headers ${CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES})
target_include_directories(duet_cuda_kernels SYSTEM PRIVATE ${fmt_headers})
# Where fmt is headers alone, nvcc comes by its functions of long double (20208), which no kernel calls.
get_target_property(fmt_definitions fmt::fmt INTERFACE_COMPILE_DEFINITIONS)
if(fmt_definitions MATCHES "FMT_HEADER_ONLY")
  target_compile_definitions(duet_cuda_kernels PRIVATE FMT_HEADER_ONLY=1)
  target_compile_options(duet_cuda_kernels PRIVATE --diag-suppress=20208)
endif()
set(launcher "${PROJECT_SOURCE_DIR}/cmake/log-ptxas.sh")
if(CCACHE_PROGRAM)
  list(APPEND launcher ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()
set_target_properties(duet_cuda_kernels PROPERTIES CUDA_COMPILER_LAUNCHER "${launcher}" CUDA_VISIBILITY_PRESET hidden
                                                   CUDA_RUNTIME_LIBRARY Shared)

file(GLOB host CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/kernels/cuda/*.cpp")
if(NOT cudnn_target)
  list(FILTER host EXCLUDE REGEX "/cudnn[a-z_]*.cpp$")
endif()
list(APPEND host "${PROJECT_SOURCE_DIR}/kernels/base/environment.cpp" "${PROJECT_SOURCE_DIR}/kernels/base/parallel.cpp"
     "${PROJECT_SOURCE_DIR}/kernels/base/kept_rows.cpp" "${PROJECT_SOURCE_DIR}/kernels/base/rows.cpp")
set(rows ${kernels})
foreach(library ${duet_cuda_libraries})
  file(GLOB of_library CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/kernels/*/*_${library}*.cpp")
  list(APPEND host ${of_library})
  list(APPEND rows ${of_library})
endforeach()
foreach(row ${rows})
  get_filename_component(folder ${row} DIRECTORY)
  get_filename_component(op ${folder} NAME)
  list(APPEND host "${folder}/${op}.cpp")
endforeach()
list(REMOVE_DUPLICATES host)

add_library(duet_cuda_host OBJECT ${host})
target_compile_definitions(duet_cuda_host PUBLIC DUET_CUDA_PLUGIN=1)
target_link_libraries(duet_cuda_host PUBLIC duet_options CUDA::cudart)
foreach(library ${duet_cuda_libraries})
  string(TOUPPER ${library} upper)
  target_compile_definitions(duet_cuda_host PUBLIC DUET_HAVE_${upper}=1)
  target_link_libraries(duet_cuda_host PUBLIC ${${library}_target})
endforeach()
# The program has functions of the same names: hidden ones cannot take their place, nor they theirs.
set_target_properties(duet_cuda_host PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)

add_library(duet_cuda MODULE $<TARGET_OBJECTS:duet_cuda_kernels> $<TARGET_OBJECTS:duet_cuda_host>)
target_link_libraries(duet_cuda PRIVATE duet_cuda_host)
target_link_options(duet_cuda PRIVATE -Wl,--no-undefined)
set_target_properties(duet_cuda PROPERTIES LINKER_LANGUAGE CXX LIBRARY_OUTPUT_DIRECTORY "${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
