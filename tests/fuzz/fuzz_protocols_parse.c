/* Protocols from any bytes: no crash, and what is read can be printed and asked. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/json.h"
#include "protocols/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct cn_rule_fact facts[] = {
        {.iteration = 1, .node = 1, .finished = true, .reward = .95, .row = -1},
        {.iteration = 2, .node = 2, .parent = 1, .finished = true, .reward = .96, .row = 0},
        {.iteration = 3, .node = 3, .parent = 2, .finished = true, .reward = .97, .row = 1}};
    struct cn_rule_context c = {.facts = facts,
                                .n_facts = 3,
                                .n_iter_block = 12,
                                .converged = .9,
                                .branching_rate = 0,
                                .improvement_rate = (double)NAN};
    struct cn_rule_choice choice;
    struct cn_json_writer w;
    struct cn_protocol *p;
    int blocks = 0;
    struct cn_err err = CN_ERR_INIT;
    struct cn_buf b;

    if (cn_protocol_parse("fuzz.md", (const char *)data, size, &p, &err) != CN_OK)
        return 0;
    cn_buf_init(&b, CN_CAP_TEXT);
    cn_protocol_dump(p, &b);
    cn_buf_reset(&b);
    cn_json_begin(&w, &b, 0);
    cn_json_open(&w, NULL, '{');
    cn_protocol_json(p, &w);
    cn_json_close(&w);
    for (int64_t k = 0; k < 9; k++)
        blocks += cn_protocol_block(p, k) != NULL;
    if (blocks > 9 || (p->n_blocks == 0 && blocks > 0))
        abort();
    cn_rules_choose(p->rules, p->n_rules, &c, &choice);
    cn_buf_clear(&b);
    cn_protocol_free(p);
    return 0;
}
