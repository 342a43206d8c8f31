# Every compile and link flag of the project hangs on one INTERFACE target, cairn_flags.
# Nothing is set globally, so a dependency's headers never meet our warnings.

option(CAIRN_WERROR "warnings are errors" OFF)
option(CAIRN_CUDA "build the CUDA kernels" OFF)
set(CAIRN_SANITIZE "" CACHE STRING "comma-separated sanitizers, e.g. address,undefined")
option(CAIRN_COVERAGE "instrument for gcov" OFF)
option(CAIRN_FUZZ "build libFuzzer targets (clang only)" OFF)

add_library(cairn_flags INTERFACE)
target_compile_features(cairn_flags INTERFACE c_std_17)
target_compile_definitions(cairn_flags INTERFACE _GNU_SOURCE)
target_include_directories(cairn_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(cairn_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
    -Wcast-qual -Wwrite-strings -Wvla -Wundef -Wformat=2 -Wdouble-promotion -fno-common
    # -std=c17 turns contraction off in GCC; the kernels want FMA. Never -ffast-math: NaN is tested for.
    -ffp-contract=fast)
if(CAIRN_WERROR)
    target_compile_options(cairn_flags INTERFACE -Werror)
endif()

# base, logs and protocols read bytes from outside: implicit conversions are errors of thought there.
add_library(cairn_flags_strict INTERFACE)
target_link_libraries(cairn_flags_strict INTERFACE cairn_flags)
target_compile_options(cairn_flags_strict INTERFACE -Wconversion)

if(CAIRN_SANITIZE)
    target_compile_options(cairn_flags INTERFACE -fsanitize=${CAIRN_SANITIZE}
        -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(cairn_flags INTERFACE -fsanitize=${CAIRN_SANITIZE})
endif()
if(CAIRN_COVERAGE)
    target_compile_options(cairn_flags INTERFACE --coverage)
    target_link_options(cairn_flags INTERFACE --coverage)
endif()
if(CAIRN_FUZZ)
    # coverage feedback in every module; the targets themselves link the engine (cn_fuzz)
    target_compile_options(cairn_flags INTERFACE -fsanitize=fuzzer-no-link)
    target_link_options(cairn_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
