/* See message.h. */
#include "harness/llm/message.h"

#include <string.h>

#include "base/banned.h"

const char *cn_llm_stop_name(cn_llm_stop s)
{
    static const char *const names[] = {"end", "tools", "length", "pause", "refusal", "other"};

    return names[s];
}

void cn_llm_answer_clear(struct cn_llm_answer *a)
{
    cn_arena_clear(&a->arena);
    memset(a, 0, sizeof *a);
}
