/* The one function of a fuzz target (tests/fuzz/fuzz_<reader>.c), called by libFuzzer or by
 * fuzz_main.c. It returns 0 and aborts when the reader breaks a promise; `data` has exactly
 * `size` bytes and no NUL after. */
#ifndef CN_TESTS_FUZZ_H
#define CN_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
