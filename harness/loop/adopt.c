/* See adopt.h. In order: what is there, what the new run stands on, the history, its configs, its
 * score file; then the folder, whose store's fact "complete" is the last word (as in create.c).
 *
 * 1 small things   2 what the run stands on   3 the history   4 the folder   5 the whole way
 */
#include "harness/loop/adopt.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "harness/loop/adopt_int.h"
#include "harness/loop/run_int.h"
#include "logs/project.h"
#include "logs/read_scores.h"

enum { MAX_EVENTS = 500 };

/* ------------------------------------------------------------------ 1 small things */

cn_status cn_adopt_warn(struct cn_adopt *a, cn_read_warning_kind kind, const char *file,
                        int64_t line, int64_t iteration, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return cn_read_log_warn(&a->out->log, kind, file, line, iteration, "%s", text) == CN_OK
               ? CN_OK
               : cn_err_set(a->err, CN_ENOMEM, "no memory for the warnings");
}

static char *folder_of(const char *path)
{
    char *absolute = cn_file_absolute(path), *slash = absolute ? strrchr(absolute, '/') : NULL;

    if (slash)
        slash[slash == absolute ? 1 : 0] = '\0';
    return absolute;
}

/* ------------------------------------------------------------------ 2 what the run stands on */

enum { OWN_SETTINGS = 2, MAX_SETTINGS = 256 };

/* The person's overrides, and behind them what the history fixes. `number` is scratch. */
static int all_overrides(const struct cn_adopt *a, const char *reward, int64_t n_iter_block,
                         char number[32], struct cn_run_override *out)
{
    int n = 0;

    for (; n < a->o->n_overrides && n < MAX_SETTINGS - OWN_SETTINGS; n++)
        out[n] = a->o->overrides[n];
    if (reward && reward[0])
        out[n++] = (struct cn_run_override){"explore.reward", reward};
    if (n_iter_block > 0) {
        cn_text_format(number, 32, "%lld", (long long)n_iter_block);
        out[n++] = (struct cn_run_override){"explore.n_iter_block", number};
    }
    return n;
}

static cn_status make_basis(struct cn_adopt *a, const char *protocol, const char *reward,
                            int64_t n_iter_block, struct cn_err *err)
{
    struct cn_run_override all[MAX_SETTINGS];
    char number[32];
    const int n = all_overrides(a, reward, n_iter_block, number, all);
    cn_status st;

    cn_basis_clear(&a->basis);
    memset(&a->basis, 0, sizeof a->basis);
    st = cn_yaml_read(a->o->config, &a->basis.config, err);
    if (st == CN_OK)
        st = cn_basis_override(a->basis.config, all, n, err);
    if (st == CN_OK)
        st = cn_protocol_read(protocol, &a->basis.protocol, err);
    if (st == CN_OK)
        st = cn_basis_complete(&a->basis, a->config_dir, all, n, err);
    if (st == CN_OK && a->basis.search.training.space.n == 0)
        st = cn_err_set(err, CN_EINPUT, "%s: it names no training parameter to explore",
                        protocol);
    return st;
}

/* Theirs when a run can stand on it. With a protocol of the person's, that one holds, and theirs
 * is its first version. */
static cn_status choose_protocol(struct cn_adopt *a, struct cn_err *why_not_theirs)
{
    const char *theirs = a->folder.protocol;
    cn_status st = CN_EINPUT;

    if (theirs) {
        st = make_basis(a, theirs, a->o->reward, a->o->n_iter_block, why_not_theirs);
        if (st != CN_OK && st != CN_EINPUT && st != CN_EUNSUPPORTED && st != CN_ECAP)
            return cn_err_set(a->err, st, "%s", why_not_theirs->text);
    }
    a->out->their_protocol = st == CN_OK;
    if (a->o->protocol)
        return make_basis(a, a->o->protocol, a->o->reward, a->o->n_iter_block, a->err);
    if (st == CN_OK)
        return CN_OK;
    return cn_err_set(a->err, CN_EINPUT, "--protocol is missing%s%.800s",
                      theirs ? ", and theirs cannot be used: " : ": the run brings none",
                      theirs ? why_not_theirs->text : "");
}

static const char *protocol_path(const struct cn_adopt *a)
{
    return a->o->protocol ? a->o->protocol : a->folder.protocol;
}

/* ------------------------------------------------------------------ 3 the history */

static cn_status read_texts(struct cn_adopt *a, struct cn_buf *texts,
                            struct cn_read_part *parts)
{
    cn_status st = CN_OK;

    for (int i = 0; st == CN_OK && i < a->folder.n_logs; i++) {
        cn_buf_init(&texts[i], CN_CAP_FILE);
        st = cn_file_read(a->folder.logs[i], CN_CAP_FILE, &texts[i], a->err);
        parts[i] =
            (struct cn_read_part){a->folder.logs[i], cn_buf_str(&texts[i]), texts[i].len};
    }
    return st;
}

static cn_status read_logs(struct cn_adopt *a, const struct cn_read_opts *o)
{
    const size_t n = (size_t)a->folder.n_logs;
    struct cn_buf *texts = cn_alloc(n, sizeof *texts);
    struct cn_read_part *parts = cn_alloc(n, sizeof *parts);
    cn_status st = texts && parts ? read_texts(a, texts, parts)
                                  : cn_err_set(a->err, CN_ENOMEM, "no memory for the logs");

    if (st == CN_OK)
        st = cn_read_logs(parts, a->folder.n_logs, o, &a->out->log, a->err);
    for (size_t i = 0; texts && i < n; i++)
        cn_buf_clear(&texts[i]);
    cn_free(texts);
    cn_free(parts);
    return st;
}

static cn_status read_scores_alone(struct cn_adopt *a, const struct cn_read_opts *o)
{
    const char *path = a->folder.scores;
    struct cn_buf text;
    cn_status st;

    cn_buf_init(&text, CN_CAP_FILE);
    st = cn_file_read(path, CN_CAP_FILE, &text, a->err);
    if (st == CN_OK)
        st = cn_read_scores_log(path, cn_buf_str(&text), text.len, o, &a->out->log, a->err);
    cn_buf_clear(&text);
    return st;
}

static cn_status read_history(struct cn_adopt *a)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;

    o.reward = a->basis.info.reward;
    o.lower_is_better = a->basis.info.reward_lower_is_better;
    o.n_iter_block = a->o->n_iter_block;
    o.n_iter_block_default = a->basis.settings.n_iter_block;
    o.multi = a->o->multi;
    return a->folder.n_logs ? read_logs(a, &o) : read_scores_alone(a, &o);
}

/* A log of ours says what its reward is. */
static cn_status agree_on_reward(struct cn_adopt *a)
{
    const char *said = a->out->log.history.info.reward;
    char name[256];
    cn_status st;

    if (strcmp(said, a->basis.info.reward) == 0)
        return CN_OK;
    if (a->o->reward)
        return cn_err_set(a->err, CN_EINPUT,
                          "--reward %s: the log itself says that its reward is %.200s",
                          a->o->reward, said);
    if (strlen(said) >= sizeof name)
        return cn_err_set(a->err, CN_EINPUT, "reward: %.200s: no metric has such a name", said);
    cn_text_copy(name, sizeof name, said);
    st = make_basis(a, protocol_path(a), name, a->o->n_iter_block, a->err);
    if (st != CN_OK)
        return st;
    cn_read_log_clear(&a->out->log);
    return read_history(a);
}

static cn_status no_rewards(const struct cn_adopt *a)
{
    const struct cn_history *h = &a->out->log.history;
    struct cn_buf seen;
    cn_status st;

    cn_buf_init(&seen, CN_CAP_RECORD);
    for (int64_t i = 0; i < h->n_iterations && seen.len < 300; i++)
        for (int k = 0; k < h->iterations[i].n_metrics && seen.len < 300; k++)
            if (!strstr(cn_buf_str(&seen), h->iterations[i].metrics[k].name))
                cn_buf_printf(&seen, "%s%.60s", seen.len ? ", " : "",
                              h->iterations[i].metrics[k].name);
    st = cn_err_set(a->err, CN_EINPUT,
                    "no entry gives the reward %s%s%s; name the metric with --reward",
                    h->info.reward, seen.len ? ", they give " : "", cn_buf_str(&seen));
    cn_buf_clear(&seen);
    return st;
}

/* Something that a run can go on from. */
static cn_status check_history(struct cn_adopt *a)
{
    const struct cn_history *h = &a->out->log.history;
    bool any = false;

    if (h->n_iterations == 0)
        return cn_err_set(a->err, CN_EINPUT, "%s: it holds no entries (\"## Iter N: status\")",
                          a->folder.n_logs ? a->folder.logs[0] : a->folder.scores);
    for (int64_t i = 0; i < h->n_iterations; i++)
        any = any || h->iterations[i].outcome == CN_OUTCOME_OK;
    return any ? CN_OK : no_rewards(a);
}

/* The class is the host's: by the thresholds, whatever the heading says. */
static cn_status classify(struct cn_adopt *a)
{
    struct cn_history *h = &a->out->log.history;
    const struct cn_run_info *i = &a->basis.info;
    cn_status st = CN_OK;

    for (int64_t k = 0; st == CN_OK && k < h->n_iterations; k++) {
        struct cn_iteration *it = &h->iterations[k];
        const double x = i->reward_lower_is_better ? -it->reward : it->reward;
        const bool converged = i->reward_lower_is_better ? x < i->converged : x > i->converged;
        const bool failed = i->reward_lower_is_better ? x > i->failed : x < i->failed;
        const cn_class cls = converged ? CN_CLASS_CONVERGED
                             : failed  ? CN_CLASS_FAILED
                                       : CN_CLASS_PARTIAL;

        if (it->outcome != CN_OUTCOME_OK)
            continue;
        if (it->cls != CN_CLASS_NONE && it->cls != cls)
            st = cn_adopt_warn(a, CN_READ_CLASS, a->out->log.entries[k].file,
                               a->out->log.entries[k].line, it->id,
                               "it says %s; by the thresholds, %s=%.4g is %s",
                               cn_class_name(it->cls), i->reward, x, cn_class_name(cls));
        it->cls = cls;
    }
    return st;
}

/* Slots from the names of the snapshots; their batches against the blocks. */
static cn_status take_slots(struct cn_adopt *a)
{
    struct cn_history *h = &a->out->log.history;
    int32_t slots = 0;

    for (int64_t i = 0; i < a->folder.n_snapshots; i++) {
        const struct cn_read_snapshot *s = &a->folder.snapshots[i];
        const struct cn_iteration *known = cn_history_iteration(h, s->iteration);

        slots = s->slot + 1 > slots ? s->slot + 1 : slots;
        if (known && s->slot >= 0)
            h->iterations[known - h->iterations].slot = s->slot;
    }
    if (slots > 1 && h->info.n_iter_block % slots != 0)
        return cn_adopt_warn(a, CN_READ_BLOCKS, a->folder.snapshots[0].path, 0, 0,
                             "batches of %d cross the ends of blocks of %lld: an iteration's "
                             "block is by its id",
                             (int)slots, (long long)h->info.n_iter_block);
    return CN_OK;
}

/* The texts of the settings live as long as the history. */
static cn_status keep_info(struct cn_adopt *a, struct cn_run_info *info)
{
    struct cn_arena *arena = &a->out->log.history.arena;
    char created[CN_TIME_TEXT];
    const char **texts[] = {&info->name,      &info->study,    &info->reward,
                            &info->proposer,  &info->created,  &info->score_kind,
                            &info->c_scale,   &info->log_keys, &info->guardrails,
                            &info->log_fields};

    info->name = cn_run_base_name(a->o->dir);
    info->created = cn_clock_iso(cn_clock_now_ms(), created);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (*texts[i] && !(*texts[i] = cn_arena_strdup(arena, *texts[i])))
            return cn_err_set(a->err, CN_ENOMEM, "no memory for the settings");
    return CN_OK;
}

/* Settings that the history fixes, and what else the record says of the run. */
static cn_status take_info(struct cn_adopt *a)
{
    struct cn_run_info *info = &a->out->log.history.info;
    struct cn_buf keys;
    cn_status st = make_basis(a, protocol_path(a), info->reward, info->n_iter_block, a->err);

    cn_buf_init(&keys, CN_CAP_TEXT);
    if (st == CN_OK) {
        cn_basis_info(&a->basis, &keys, info);
        st = keep_info(a, info);
    }
    cn_buf_clear(&keys);
    return st;
}

/* ------------------------------------------------------------------ 4 the folder */

static void print_warning(const struct cn_read_warning *w, struct cn_buf *out)
{
    cn_buf_adds(out, w->file);
    if (w->line)
        cn_buf_printf(out, ":%lld", (long long)w->line);
    cn_buf_printf(out, "%s%s: %s\n", w->file[0] ? ": " : "", cn_read_warning_name(w->kind),
                  w->text);
}

static cn_status put_warnings(struct cn_adopt *a, const char *dir)
{
    const struct cn_read_log *log = &a->out->log;
    struct cn_buf text;
    cn_status st;

    cn_buf_init(&text, CN_CAP_FILE);
    for (int64_t i = 0; i < log->n_warnings; i++)
        print_warning(&log->warnings[i], &text);
    st = cn_buf_status(&text) == CN_OK
             ? cn_run_put(dir, "import_warnings.txt", cn_buf_str(&text), text.len, a->err)
             : cn_err_set(a->err, cn_buf_status(&text),
                          "import_warnings.txt: too many warnings");
    cn_buf_clear(&text);
    return st;
}

static cn_status put_events(struct cn_adopt *a, struct cn_store *s)
{
    const struct cn_read_log *log = &a->out->log;
    struct cn_buf text;
    cn_status st;

    cn_buf_init(&text, CN_CAP_TEXT);
    cn_buf_printf(&text, "from %s: %lld iterations, %lld warnings", a->o->paths[0],
                  (long long)log->history.n_iterations, (long long)log->n_warnings);
    st = cn_store_event(s, 0, "import", cn_buf_str(&text), a->err);
    for (int64_t i = 0; st == CN_OK && i < log->n_summaries; i++)
        if (log->summaries[i].text[0]) {
            cn_buf_reset(&text);
            cn_buf_printf(&text, "block %lld: %s", (long long)log->summaries[i].block,
                          log->summaries[i].text);
            st = cn_store_event(s, 0, "import-summary", cn_buf_str(&text), a->err);
        }
    for (int64_t i = 0; st == CN_OK && i < log->n_warnings && i < MAX_EVENTS; i++) {
        cn_buf_reset(&text);
        print_warning(&log->warnings[i], &text);
        if (text.len)
            text.data[--text.len] = '\0'; /* the line's end */
        st = cn_store_event(s, log->warnings[i].iteration, "import-warning", cn_buf_str(&text),
                            a->err);
    }
    if (st == CN_OK && log->n_warnings > MAX_EVENTS) {
        cn_buf_reset(&text);
        cn_buf_printf(&text, "and %lld more, in import_warnings.txt",
                      (long long)(log->n_warnings - MAX_EVENTS));
        st = cn_store_event(s, 0, "import-warning", cn_buf_str(&text), a->err);
    }
    cn_buf_clear(&text);
    return st;
}

/* The free sections of their memory. Words that are no text are told, not taken. */
static cn_status put_memory(struct cn_adopt *a, struct cn_store *s)
{
    struct cn_buf file, words;
    cn_status st;

    cn_buf_init(&file, CN_CAP_FILE);
    cn_buf_init(&words, CN_CAP_FILE);
    st = cn_file_read(a->folder.memory, CN_CAP_FILE, &file, a->err);
    if (st == CN_OK && !cn_text_utf8_valid(cn_buf_str(&file), file.len)) {
        st = cn_store_event(s, 0, "import-warning", "the memory is not UTF-8: not taken over",
                            a->err);
    } else if (st == CN_OK) {
        cn_memory_free_text(cn_buf_str(&file), file.len, &words);
        st =
            cn_buf_status(&words) == CN_OK ? CN_OK : cn_err_set(a->err, CN_ENOMEM, "no memory");
        if (st == CN_OK && words.len > 0) {
            st = cn_store_text_put(s, "memory", "import", "taken over", cn_buf_str(&words),
                                   NULL, a->err);
            a->out->memory = st == CN_OK;
        }
    }
    cn_buf_clear(&file);
    cn_buf_clear(&words);
    return st;
}

/* Everything that needs the lease. */
static cn_status fill_store(struct cn_adopt *a, struct cn_store *s)
{
    struct cn_project_opts o = CN_PROJECT_OPTS_INIT;
    struct cn_history h;
    char holder[64];
    cn_status st;

    memset(&h, 0, sizeof h);
    cn_text_format(holder, sizeof holder, "import:%ld", (long)getpid());
    st = cn_store_lease_steal(s, holder, cn_clock_now_ms(), CN_RUN_LEASE_MS, a->err);
    if (st == CN_OK && a->o->protocol && a->out->their_protocol)
        st = cn_store_text_put(s, "protocol", "user", "given with the import",
                               a->basis.protocol->text, NULL, a->err);
    if (st == CN_OK && a->folder.memory)
        st = put_memory(a, s);
    if (st == CN_OK)
        st = put_events(a, s);
    if (st == CN_OK)
        st = cn_store_history(s, &h, a->err);
    if (st == CN_OK)
        st = cn_project_write(s, &h, &o, a->err);
    if (st == CN_OK)
        st = cn_store_lease_release(s, a->err);
    cn_history_clear(&h);
    return st;
}

static cn_status first_protocol(struct cn_adopt *a, struct cn_buf *out)
{
    if (a->out->their_protocol)
        return cn_file_read(a->folder.protocol, CN_CAP_PROTOCOL, out, a->err);
    cn_buf_adds(out, a->basis.protocol->text);
    return cn_buf_status(out) == CN_OK ? CN_OK : cn_err_set(a->err, CN_ENOMEM, "no memory");
}

static cn_status make_store(struct cn_adopt *a, const char *dir)
{
    struct cn_store *s = NULL;
    struct cn_buf protocol;
    cn_status st;

    cn_buf_init(&protocol, CN_CAP_PROTOCOL);
    st = first_protocol(a, &protocol);
    if (st == CN_OK)
        st = cn_store_import(dir, &a->out->log.history, cn_buf_str(&protocol),
                             cn_yaml_text(a->basis.config, NULL), &s, a->err);
    if (st == CN_OK)
        st = fill_store(a, s);
    cn_store_close(s);
    cn_buf_clear(&protocol);
    return st;
}

static cn_status make_folder(struct cn_adopt *a, const char *dir)
{
    struct cn_run_override all[MAX_SETTINGS];
    char number[32];
    const struct cn_run_info *info = &a->out->log.history.info;
    const int n = all_overrides(a, info->reward, info->n_iter_block, number, all);
    size_t size;
    const char *config = cn_yaml_text(a->basis.config, &size);
    cn_status st = cn_file_mkdirs(dir, a->err);

    if (st == CN_OK)
        st = cn_run_put(dir, "protocol.md", a->basis.protocol->text, a->basis.protocol->n,
                        a->err);
    if (st == CN_OK)
        st = cn_run_put(dir, "base.yaml", config, size, a->err);
    if (st == CN_OK)
        st = cn_run_put(dir, "user_input.md", cn_run_inbox_template,
                        strlen(cn_run_inbox_template), a->err);
    if (st == CN_OK)
        st = put_warnings(a, dir);
    if (st == CN_OK)
        st = make_store(a, dir);
    if (st == CN_OK)
        st = cn_run_restore(dir, a->config_dir, all, n, a->err);
    if (st != CN_OK && cn_file_remove_tree(dir, NULL) != CN_OK)
        (void)cn_err_prefix(a->err, "%s could not be removed", dir);
    return st;
}

/* ------------------------------------------------------------------ 5 the whole way */

static cn_status look(struct cn_adopt *a)
{
    struct cn_err why = CN_ERR_INIT;
    cn_status st = cn_read_folder_init(&a->folder, a->o->paths, a->o->n_paths, a->err);

    if (st == CN_OK)
        st = choose_protocol(a, &why);
    if (st == CN_OK)
        st = read_history(a);
    if (st == CN_OK)
        st = agree_on_reward(a);
    if (st == CN_OK)
        st = check_history(a);
    if (st == CN_OK && a->folder.protocol && !a->out->their_protocol)
        st = cn_adopt_warn(a, CN_READ_PROTOCOL, a->folder.protocol, 0, 0,
                           "it cannot be the protocol of a run: %.400s", why.text);
    return st;
}

static cn_status understand(struct cn_adopt *a)
{
    const struct cn_run_create_opts o = {
        .config = a->o->config, .overrides = a->o->overrides, .n_overrides = a->o->n_overrides};
    cn_status st = take_info(a);

    if (st == CN_OK)
        st = cn_run_check_config(&a->basis, &o, a->err);

    if (st == CN_OK)
        st = classify(a);
    if (st == CN_OK)
        st = take_slots(a);
    if (st == CN_OK)
        st = cn_adopt_configs(a);
    if (st == CN_OK && a->folder.scores)
        st = cn_adopt_scores(a);
    return st;
}

cn_status cn_adopt_logs(const struct cn_adopt_opts *given, struct cn_adopted *out,
                        struct cn_err *err)
{
    struct cn_adopt_opts o = *given;
    struct cn_adopt a = {.o = &o, .out = out, .err = err};
    char *dir = cn_run_clean_dir(given->dir);
    cn_status st = CN_OK;

    memset(out, 0, sizeof *out);
    out->score_kind = "";
    o.dir = dir;
    a.config_dir = folder_of(given->config);
    if (!dir || !a.config_dir)
        st = cn_err_set(err, CN_ENOMEM, "%s: no memory for its path", given->dir);
    else if (cn_file_exists(dir))
        st = cn_err_set(err, CN_EEXIST, "%s: is there already; choose another --name",
                        given->dir);
    if (st == CN_OK)
        st = look(&a);
    if (st == CN_OK)
        st = understand(&a);
    if (st == CN_OK) {
        const struct cn_history *h = &out->log.history;
        out->next = h->iterations[h->n_iterations - 1].id + 1;
        out->memory = a.folder.memory != NULL;
    }
    if (st == CN_OK && !o.dry)
        st = make_folder(&a, dir);
    if (st != CN_OK)
        cn_adopted_clear(out);
    cn_basis_clear(&a.basis);
    cn_read_folder_clear(&a.folder);
    cn_free(a.config_dir);
    cn_free(dir);
    return st;
}

void cn_adopted_clear(struct cn_adopted *a)
{
    cn_read_log_clear(&a->log);
    memset(a, 0, sizeof *a);
    a->score_kind = "";
}
