/* Cases of the LLM transport (tests/cases/llm/client/NAME.case): what is asked, what the provider must have seen,
 * what it answers, what must come of it.
 *
 *     # words
 *     spec: anthropic:claude-sonnet-4      (or openai:M, openai-responses:M, local:M)
 *     opts: attempts=3 stall_s=0.3 ...     (of test_llm_client.c)
 *     === ask tools stream max=1000        a request of test_llm_client.c by name, and its options
 *     === request                          checks of the next request that comes
 *     POST /v1/messages
 *     header x-api-key: $KEY               absent NAME, json PATH VALUE, lacks PATH
 *     === reply 200 chunked split=3        mock_llm.h's behaviours; nul and eol=crlf change the body
 *     content-type: text/event-stream
 *
 *     data: ...
 *     === expect                           ends the ask; its lines are of test_llm_client.c
 *     ok
 *
 * $KEY is the key of the environment, $OTHER the address of a second server, $NUL a NUL byte. The body of an event
 * stream ends with an empty line unless the reply is `raw`.
 */
#ifndef CN_TESTS_LLM_CASE_H
#define CN_TESTS_LLM_CASE_H

#include "tests/support/mock_llm.h"

#define LLM_CASE_KEY "sk-test-0123456789-SECRET"

enum { LLM_CASE_SECTIONS = 96 };

struct llm_section {
    char kind[16];    /* ask, request, reply, expect */
    const char *args; /* the rest of its line */
    const char *text; /* its lines */
    int line;         /* of the case file, for messages */
};
struct llm_case {
    char *text; /* owned; sections point into it */
    const char *spec, *opts;
    struct llm_section sections[LLM_CASE_SECTIONS];
    int n;
};

/* A file that cannot be read as a case aborts the test. */
void llm_case_read(const char *path, struct llm_case *out);
void llm_case_clear(struct llm_case *c);
/* A reply section as a step of the server; other_port for $OTHER. */
void llm_case_reply(const struct llm_section *s, int other_port, struct mock_llm *m);
/* The value of NAME=VALUE among words, "" for a bare NAME, NULL when absent; in a static buffer. */
const char *llm_case_option(const char *words, const char *name);
double llm_case_number(const char *words, const char *name, double otherwise);

#endif
