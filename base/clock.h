/* Time, replaceable in tests. UTC everywhere, ISO 8601 with milliseconds. */
#ifndef CN_BASE_CLOCK_H
#define CN_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum { CN_TIME_TEXT = 32 };

int64_t cn_clock_now_ms(void);  /* wall clock, ms since 1970-01-01 UTC */
int64_t cn_clock_mono_us(void); /* monotonic, microseconds; only differences mean anything */
void cn_clock_sleep_ms(int64_t ms); /* a signal handler that ran ends it early */
const char *cn_clock_iso(int64_t ms, char out[CN_TIME_TEXT]); /* "2026-11-20T19:56:48.123Z" */
/* That form; the fraction may be absent or longer. */
bool cn_clock_parse_iso(const char *s, int64_t *out_ms);

/* Tests: freeze both clocks at `ms`; sleep then advances them instead of sleeping. */
void cn_clock_freeze(int64_t ms);
void cn_clock_advance(int64_t ms);
void cn_clock_thaw(void);

#endif
