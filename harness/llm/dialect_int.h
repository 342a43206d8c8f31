/* What the dialects share: the table of one, and an answer being put together. */
#ifndef CN_LLM_DIALECT_INT_H
#define CN_LLM_DIALECT_INT_H

#include "base/json.h"
#include "harness/llm/dialect.h"

/* Ceilings of one answer: what no honest model reaches. */
enum { CN_LLM_PARTS = 256, CN_LLM_PART_BYTES = 4 << 20, CN_LLM_NAME_TEXT = 256 };

/* One block of an answer as it grows. */
struct cn_part {
    cn_llm_kind kind;
    int64_t index; /* the provider's number of it */
    struct cn_buf
        text; /* TEXT: words; TOOL_USE: arguments; OPAQUE: the thinking, or the whole JSON */
    struct cn_buf extra; /* OPAQUE: its signature */
    bool
        whole; /* OPAQUE: `text` is the JSON already; TOOL_USE: it came at once, pieces replace it */
    char id[CN_LLM_NAME_TEXT], name[CN_LLM_NAME_TEXT];
};

struct cn_stream {
    const struct cn_dialect *d;
    struct cn_part *parts; /* owned */
    int n_parts;
    cn_llm_stop stop;
    char stop_text[64], id[CN_LLM_NAME_TEXT], model[CN_LLM_NAME_TEXT];
    struct cn_llm_usage usage;
    bool ended;   /* the event that says so came */
    bool may_end; /* all was said; the connection may close without that event */
    struct cn_llm_trouble trouble;
};

struct cn_dialect {
    const char *name, *path;
    void (*body)(const struct cn_llm_request *q, const struct cn_llm_caps *caps,
                 struct cn_json_writer *w);
    cn_status (*answer)(struct cn_stream *s, const struct cn_json *root, struct cn_err *err);
    cn_status (*event)(struct cn_stream *s, const struct cn_sse_event *e,
                       const struct cn_json *root, struct cn_err *err);
    bool done_word; /* the stream ends with "[DONE]", which is no JSON */
};
extern const struct cn_dialect cn_dialect_messages, cn_dialect_chat, cn_dialect_responses;

/* -- building -- */

/* JSON text of ours (a schema) or of a model (arguments) as a member; `fallback` when it cannot be
 * read. */
void cn_json_add_text(struct cn_json_writer *w, const char *key, const char *json,
                      const char *fallback);
/* Text of several TEXT blocks, a blank line between. */
void cn_llm_join(const struct cn_llm_block *b, int n, struct cn_buf *out);
/* "data:image/png;base64,...", or without the head. */
void cn_llm_base64(const unsigned char *bytes, size_t n, struct cn_buf *out);
extern const char cn_llm_no_image[]; /* what stands for an image that the model cannot take */

/* -- taking apart -- */

/* A new part at the end; NULL (and CN_ECAP in err) beyond the ceiling. */
struct cn_part *cn_part_new(struct cn_stream *s, cn_llm_kind kind, int64_t index, cn_status *st,
                            struct cn_err *err);
/* The newest part with this number and kind; NULL: none. */
struct cn_part *cn_part_find(struct cn_stream *s, cn_llm_kind kind, int64_t index);
bool cn_part_any(const struct cn_stream *s, cn_llm_kind kind);
/* A string member into a fixed field, cut at a character. */
void cn_part_word(const struct cn_json *object, const char *key, char *out, size_t room);
void cn_part_add(struct cn_buf *b, const char *s); /* NULL: nothing */
cn_status cn_llm_broken(struct cn_err *err, const char *what);
/* A count of tokens, when it is one (0 .. 10^12); else *out stays. */
void cn_llm_count(const struct cn_json *v, int64_t *out);
/* The arguments of a call as an object's text, "{}" when the model wrote something else. */
const char *cn_llm_arguments(const struct cn_llm_block *b);
/* An error object of any of the providers. */
void cn_llm_error_object(const struct cn_json *error, int status, struct cn_llm_trouble *out);

#endif
