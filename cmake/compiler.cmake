# How everything is compiled: target `duet_options`, linked by each library of the project.
include(CheckCXXSourceRuns)

add_library(duet_options INTERFACE)
target_include_directories(duet_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(duet_options INTERFACE -Wall -Wextra -Wpedantic -Wno-missing-field-initializers)
# No code here looks at errno or at the floating-point exception flags; without them loops with a choice or a root vectorise.
target_compile_options(duet_options INTERFACE -fno-math-errno -fno-trapping-math)
target_compile_definitions(duet_options INTERFACE DUET_VERSION="${PROJECT_VERSION}")

# The levels of x86-64 that this machine runs, the widest vectors first.
set(DUET_HOST_ARCHS)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  foreach(level v4:avx512f,avx512bw,avx512cd,avx512dq,avx512vl v3:avx2,bmi2,fma)
    string(REGEX MATCH "^v[0-9]" arch ${level})
    string(REGEX REPLACE "^v[0-9]:" "" features ${level})
    string(REPLACE "," "\") && __builtin_cpu_supports(\"" features "${features}")
    check_cxx_source_runs("int main() { return __builtin_cpu_supports(\"${features}\") ? 0 : 1; }" DUET_HOST_HAS_X86_64_${arch})
    if(DUET_HOST_HAS_X86_64_${arch})
      list(APPEND DUET_HOST_ARCHS x86-64-${arch})
    endif()
  endforeach()
  list(APPEND DUET_HOST_ARCHS x86-64)
endif()
if(NOT DUET_ARCH AND DUET_HOST_ARCHS)
  list(GET DUET_HOST_ARCHS 0 DUET_ARCH)
endif()
# A target may be compiled for another one: its property DUET_ARCH.
set(arch "$<IF:$<BOOL:$<TARGET_PROPERTY:DUET_ARCH>>,$<TARGET_PROPERTY:DUET_ARCH>,${DUET_ARCH}>")
target_compile_options(duet_options INTERFACE "$<$<BOOL:${arch}>:-march=${arch}>")
message(STATUS "duet: compiling for ${DUET_ARCH}")

if(DUET_SANITIZE)
  target_compile_options(duet_options INTERFACE -fsanitize=${DUET_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(duet_options INTERFACE -fsanitize=${DUET_SANITIZE})
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # Paths count relative to the sources, so that two checkouts share what was compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE_PROGRAM})
endif()

# duet_sources(VARIABLE [DIR…]): all .cpp files of this folder and the given folders below it. New files are found by themselves.
function(duet_sources variable)
  set(patterns "*.cpp")
  foreach(dir ${ARGN})
    list(APPEND patterns "${dir}/*.cpp")
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} ${patterns})
  set(${variable} ${sources} PARENT_SCOPE)
endfunction()

# duet_library(NAME [DIRS dir…] [LINK library…] [EXCLUDE regex]): an OBJECT library of the .cpp files here and in the given folders. Object
# libraries keep every registration (a static one would drop rows and fusions that nobody names); whoever links `duet`
# gets them all.
add_library(duet INTERFACE)
function(duet_library name)
  cmake_parse_arguments(ARG "" "EXCLUDE" "DIRS;LINK" ${ARGN})
  duet_sources(sources ${ARG_DIRS})
  if(ARG_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "${ARG_EXCLUDE}")
  endif()
  if(NOT sources)
    return()
  endif()
  add_library(${name} OBJECT ${sources})
  target_link_libraries(${name} PUBLIC duet_options ${ARG_LINK})
  target_sources(duet INTERFACE $<TARGET_OBJECTS:${name}>)
  target_link_libraries(duet INTERFACE duet_options ${ARG_LINK})
endfunction()
