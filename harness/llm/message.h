/* One request and one answer, whatever the provider: what the dialects translate.
 *
 * Plain data; strings are borrowed from an arena of the caller's and never NULL. Content is a list
 * of blocks, dispatched by kind, never by position. JSON of tools (schemas, arguments) is kept as
 * text: the dialects place it unchanged, and who asked checks it.
 */
#ifndef CN_LLM_MESSAGE_H
#define CN_LLM_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

typedef enum {
    CN_LLM_TEXT,
    CN_LLM_IMAGE,       /* a PNG or JPEG of ours */
    CN_LLM_TOOL_USE,    /* the model asks */
    CN_LLM_TOOL_RESULT, /* we answer; stands first in its message */
    CN_LLM_OPAQUE       /* thinking and the like: the provider's JSON, echoed unchanged */
} cn_llm_kind;

struct cn_llm_block {
    cn_llm_kind kind;
    const char *text;      /* TEXT, TOOL_RESULT; OPAQUE: one JSON object */
    const char *id, *name; /* TOOL_USE, TOOL_RESULT (id) */
    const char *
        arguments; /* TOOL_USE: one JSON object; as the model wrote it when it cannot be read */
    bool is_error; /* TOOL_RESULT */
    bool cache_mark; /* the prefix up to here stays the same: mark it for the cache */
    const unsigned char *image; /* IMAGE: the file's bytes */
    size_t image_size;
    const char *media_type; /* image/png, image/jpeg */
};

typedef enum { CN_LLM_USER, CN_LLM_ASSISTANT } cn_llm_role;

struct cn_llm_message {
    cn_llm_role role;
    const struct cn_llm_block *blocks;
    int n_blocks;
};

struct cn_llm_tool {
    const char *name, *description;
    const char *schema; /* JSON schema of its arguments, one object */
};

typedef enum { CN_LLM_TOOLS_AUTO, CN_LLM_TOOLS_ANY, CN_LLM_TOOLS_NONE } cn_llm_tool_choice;

struct cn_llm_request {
    const char *model;
    const struct cn_llm_block *system; /* TEXT blocks */
    int n_system;
    const struct cn_llm_tool *tools;
    int n_tools;
    cn_llm_tool_choice tool_choice;
    const struct cn_llm_message *messages;
    int n_messages;
    int64_t max_tokens;
    double temperature;      /* NaN: not sent */
    const char *effort;      /* low, medium, high ...; "": not sent */
    int64_t thinking_tokens; /* 0: not sent */
    bool stream;
};

typedef enum {
    CN_LLM_STOP_END,    /* it has said what it wanted */
    CN_LLM_STOP_TOOLS,  /* it waits for tool results */
    CN_LLM_STOP_LENGTH, /* max_tokens or the context window: the answer is cut */
    CN_LLM_STOP_PAUSE,  /* send it back to go on */
    CN_LLM_STOP_REFUSAL,
    CN_LLM_STOP_OTHER /* words that we do not know: `stop_text` */
} cn_llm_stop;
const char *cn_llm_stop_name(cn_llm_stop s);

/* Tokens. input = fresh + cache_read + cache_write. */
struct cn_llm_usage {
    bool known; /* false: the provider said nothing (or never came to) */
    int64_t input, cache_read, cache_write, output, reasoning;
};

struct cn_llm_answer {
    struct cn_arena arena; /* owns everything below; cn_llm_answer_clear */
    const struct cn_llm_block *blocks;
    int n_blocks;
    cn_llm_stop stop;
    const char *stop_text;  /* the provider's word */
    const char *id, *model; /* of the answer, as the provider names it */
    struct cn_llm_usage usage;
};
void cn_llm_answer_clear(struct cn_llm_answer *a);

#endif
