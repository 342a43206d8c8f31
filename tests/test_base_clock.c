#include <criterion/criterion.h>

#include "base/clock.h"
#include "base/hash.h"

Test(base_clock, iso_text_of_known_times)
{
    char out[CN_TIME_TEXT];

    cr_assert_str_eq(cn_clock_iso(0, out), "1970-01-01T00:00:00.000Z");
    cr_assert_str_eq(cn_clock_iso(1000000000123, out), "2001-09-09T01:46:40.123Z");
    cr_assert_str_eq(cn_clock_iso(951782400000, out), "2000-02-29T00:00:00.000Z");
    cr_assert_str_eq(cn_clock_iso(-1, out), "1969-12-31T23:59:59.999Z");
}

Test(base_clock, iso_text_reads_back)
{
    char out[CN_TIME_TEXT];
    int64_t ms, back;

    for (ms = -5000000000000; ms < 5000000000000; ms += 12345678901) {
        cr_assert(cn_clock_parse_iso(cn_clock_iso(ms, out), &back), "%s", out);
        cr_assert_eq(back, ms);
    }
}

Test(base_clock, fraction_may_be_absent_or_longer)
{
    int64_t ms;

    cr_assert(cn_clock_parse_iso("2001-09-09T01:46:40Z", &ms) && ms == 1000000000000);
    cr_assert(cn_clock_parse_iso("2001-09-09T01:46:40.5Z", &ms) && ms == 1000000000500);
    cr_assert(cn_clock_parse_iso("2001-09-09T01:46:40.123456789Z", &ms) && ms == 1000000000123);
}

Test(base_clock, what_is_no_time_is_refused)
{
    static const char *const bad[] = {"",
                                      "2001-09-09",
                                      "2001-09-09T01:46:40",
                                      "2001-09-09 01:46:40Z",
                                      "2001-09-09T01:46:40.Z",
                                      "2001-09-09T01:46:40+02:00",
                                      "2001-09-09T01:46:40Zx",
                                      "2001-13-09T01:46:40Z",
                                      "2001-00-09T01:46:40Z",
                                      "2001-02-29T01:46:40Z",
                                      "2001-04-31T01:46:40Z",
                                      "2001-09-00T01:46:40Z",
                                      "2001-09-09T24:46:40Z",
                                      "2001-09-09T01:60:40Z",
                                      "2001-09-09T01:46:60Z",
                                      "20010-9-09T01:46:40Z",
                                      "2001-9-09T01:46:40Z"};
    int64_t ms = 5;
    size_t i;

    for (i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(cn_clock_parse_iso(bad[i], &ms), "\"%s\" was read", bad[i]);
    cr_assert_eq(ms, 5);
}

Test(base_clock, frozen_clock_moves_only_when_told)
{
    int64_t real = cn_clock_now_ms();

    cr_assert_gt(real, 1700000000000);
    cn_clock_freeze(1000);
    cr_assert_eq(cn_clock_now_ms(), 1000);
    cr_assert_eq(cn_clock_mono_us(), 1000000);
    cn_clock_sleep_ms(86400000);
    cr_assert_eq(cn_clock_now_ms(), 86401000);
    cn_clock_advance(9);
    cr_assert_eq(cn_clock_mono_us(), 86401009000);
    cn_clock_sleep_ms(-5);
    cr_assert_eq(cn_clock_now_ms(), 86401009);
    cn_clock_thaw();
    cr_assert_geq(cn_clock_now_ms(), real);
}

Test(base_clock, monotonic_clock_counts_sleep)
{
    int64_t start = cn_clock_mono_us();

    cn_clock_sleep_ms(3);
    cr_assert_geq(cn_clock_mono_us() - start, 3000);
}

/* FIPS 180-4 examples */
Test(base_hash, known_digests)
{
    char out[CN_HASH_TEXT];

    cr_assert_str_eq(cn_hash_hex("abc", 3, out),
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    cr_assert_str_eq(cn_hash_hex(NULL, 0, out),
                     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
