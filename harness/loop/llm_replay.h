/* A run's exchanges with its model, played again: `--llm replay:RUN` explores without a network and
 * comes to the same proposals and the same Markdown, byte for byte.
 *
 *     st = cn_replay_open(dir_of_run, loose, &replay, &err);
 *     o.spec = "replay:NAME"; o.replay = cn_replay_llm(replay); o.caps = cn_replay_caps(replay);
 *     cn_books_replay(books, replay);
 *     ... author "llm:" + cn_replay_llm(replay)->model
 *     cn_replay_close(replay);
 *
 * Answers are found by purpose, hash of the request and number of the try; of a need that was asked
 * twice (a harness was killed before it used the answer) the last one counts. A request that differs
 * from the recorded one is an error that names the first section that differs, unless `loose`: then
 * the answer of the same purpose and turn is taken.
 */
#ifndef CN_LOOP_LLM_REPLAY_H
#define CN_LOOP_LLM_REPLAY_H

#include <stdbool.h>

#include "base/status.h"
#include "harness/llm/client.h"

struct cn_replay;

/* `run_dir`: of the record; opened for reading. CN_EINPUT when no model was ever asked there;
 * CN_EUNSUPPORTED when more than one was. */
CN_MUST_CHECK cn_status cn_replay_open(const char *run_dir, bool loose, struct cn_replay **out,
                                       struct cn_err *err);
/* The same from "replay:RUN": RUN is a path, or the name of a run beside `run_dir`, the folder of the
 * run that explores. Any other spec: CN_OK, *out NULL. */
CN_MUST_CHECK cn_status cn_replay_open_spec(const char *spec, const char *run_dir, bool loose,
                                            struct cn_replay **out, struct cn_err *err);
void cn_replay_close(struct cn_replay *r); /* NULL is fine */

const struct cn_llm_replay *cn_replay_llm(struct cn_replay *r);
/* Of the model as it was opened; NULL: not recorded. */
const struct cn_llm_caps *cn_replay_caps(const struct cn_replay *r);
/* "2026-01, unverified"; "" */
const char *cn_replay_prices(const struct cn_replay *r);
/* Usage, price and seconds of the answer found last, for the books. */
void cn_replay_last(const struct cn_replay *r, struct cn_llm_usage *usage, double *usd,
                    double *seconds);

#endif
