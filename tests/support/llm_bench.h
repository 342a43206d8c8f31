/* One scripted provider, one client, and what both were told: the bench of test_llm_client.c.
 *
 *     struct llm_bench b;
 *     llm_bench_init(&b, "name", &the_case);
 *     llm_bench_ask(&b, &section);        // asks, records, and replays the record: the same must come
 *     b.st, b.answer, b.trouble, ...
 *     llm_bench_clear(&b);                // and looks for the key in all that was recorded or said
 */
#ifndef CN_TESTS_LLM_BENCH_H
#define CN_TESTS_LLM_BENCH_H

#include <stdio.h>

#include <criterion/criterion.h>

#include "harness/llm/client.h"
#include "tests/support/llm_case.h"

enum { LLM_RECORDS = 64 };

/* What the recorder of the client was told. */
struct llm_record {
    char hash[72], dialect[32];
    int ask, number, status;
    char *reply; /* owned */
    size_t n;
    cn_llm_trouble_kind trouble;
};
struct llm_bench {
    const char *name;
    int line;
    struct mock_llm *m, *other;
    struct cn_llm *llm;
    struct cn_llm_opts o;
    struct cn_llm_recorder recorder;
    struct cn_llm_caps caps_before;
    struct cn_llm_budget budget;
    struct llm_record records[LLM_RECORDS];
    int n_records, begun, asks, seen;
    struct cn_buf told; /* all that was said or recorded */
    size_t said_from;   /* of this ask, in `said` */
    struct cn_buf said;
    /* of the last ask */
    cn_status st;
    struct cn_llm_answer answer;
    struct cn_llm_trouble trouble;
    struct cn_err err;
    double seconds;
    struct cn_arena past; /* what an "again" sends back */
};
extern int llm_bench_checks; /* how many were made */

#define CHECK(b, ok, ...)                                           \
    do {                                                            \
        char words_[4096];                                          \
                                                                    \
        llm_bench_checks++;                                         \
        (void)snprintf(words_, sizeof words_, __VA_ARGS__);         \
        cr_expect((ok), "%s:%d: %s", (b)->name, (b)->line, words_); \
    } while (0)

void llm_bench_init(struct llm_bench *b, const char *name, const struct llm_case *c);
void llm_bench_clear(struct llm_bench *b);
void llm_bench_ask(struct llm_bench *b, const struct llm_section *s);

#endif
