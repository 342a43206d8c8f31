/* cairn protocol check: what the host understood of a protocol; with a config also what the
 * trainer says to it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "harness/cli/verbs.h"
#include "harness/loop/basis.h"
#include "protocols/protocol.h"

/* -- the resolved space -- */

struct row {
    const char *path, *scale;
    char value[CN_VALUE_TEXT]; /* in the config; "" when it is no point of the space */
    char explored[200], allowed[120];
};

static void list_choices(const struct cn_dims *d, int32_t i, char *out, size_t room)
{
    size_t used = 0;

    out[0] = '\0';
    for (int32_t k = 0; k < d->space.params[i].n_choices && used + 40 < room; k++)
        used += (size_t)snprintf(out + used, room - used, "%s%.30s", k ? ", " : "",
                                 d->choices[i][k]);
}

static const char *scale_of(const struct cn_param *p)
{
    if (p->type == CN_PARAM_BOOL)
        return "yes or no";
    if (p->type == CN_PARAM_CHOICE)
        return p->ordered ? "list of numbers" : "list";
    return p->log ? (p->type == CN_PARAM_INT ? "log, whole" : "log")
                  : (p->type == CN_PARAM_INT ? "linear, whole" : "linear");
}

static void fill_row(const struct cn_dims *d, int32_t i, double x, struct row *r)
{
    const struct cn_param *p = &d->space.params[i];
    const struct cn_trainer_param *t = d->of[i];
    char lo[CN_NUM_TEXT], hi[CN_NUM_TEXT];

    *r = (struct row){.path = p->path, .scale = scale_of(p)};
    if (!isnan(x))
        cn_search_text(d, i, x, r->value);
    if (p->type == CN_PARAM_BOOL) {
        cn_text_copy(r->explored, sizeof r->explored, "true, false");
    } else if (p->type == CN_PARAM_CHOICE) {
        list_choices(d, i, r->explored, sizeof r->explored);
    } else {
        cn_text_format(r->explored, sizeof r->explored, "%s to %s", cn_text_double(p->lo, lo),
                       cn_text_double(p->hi, hi));
    }
    if (p->type != CN_PARAM_BOOL && t->type != CN_TRAINER_STRING && t->n_choices == 0)
        cn_text_format(r->allowed, sizeof r->allowed, "%s to %s", cn_text_double(t->min, lo),
                       cn_text_double(t->max, hi));
    else
        cn_text_copy(r->allowed, sizeof r->allowed, "these");
}

/* Does the config begin inside of what is explored? */
static bool is_inside(const struct cn_param *p, double x)
{
    if (isnan(x))
        return false;
    return p->type == CN_PARAM_BOOL || p->type == CN_PARAM_CHOICE || (x >= p->lo && x <= p->hi);
}

/* -- for people -- */

static cn_status print_dims(const struct cn_basis *b, const struct cn_dims *d, const char *cls,
                            struct cn_buf *out, struct cn_err *err)
{
    double *x = cn_alloc((size_t)d->space.n + 1, sizeof *x);
    int widest = 9, widest_list = 8;
    struct row r;

    if (!x)
        return cn_err_set(err, CN_ENOMEM, "no memory for the parameters");
    cn_search_values(d, b->config, x);
    for (int32_t i = 0; i < d->space.n; i++) {
        fill_row(d, i, x[i], &r);
        widest = (int)strlen(r.path) > widest ? (int)strlen(r.path) : widest;
        widest_list =
            (int)strlen(r.explored) > widest_list ? (int)strlen(r.explored) : widest_list;
    }
    if (d->space.n > 0)
        cn_buf_printf(out, "  %-*s  %-12s  %-*s  %-15s  %s\n", widest, cls, "in config",
                      widest_list, "explored", "scale", "trainer allows");
    for (int32_t i = 0; i < d->space.n; i++) {
        fill_row(d, i, x[i], &r);
        cn_buf_printf(out, "  %-*s  %-12s  %-*s  %-15s  %s%s\n", widest, r.path,
                      r.value[0] ? r.value : "-", widest_list, r.explored, r.scale, r.allowed,
                      is_inside(&d->space.params[i], x[i])
                          ? ""
                          : "   <- the config is outside of what is explored");
    }
    cn_free(x);
    return CN_OK;
}

/* How the partition fits into the run's blocks. */
static void print_blocks(const struct cn_basis *b, struct cn_buf *out)
{
    const struct cn_protocol *p = b->protocol;
    int64_t size = b->settings.n_iter_block,
            blocks = (b->settings.iterations + size - 1) / size;

    cn_buf_printf(out, "  %lld iterations in %lld block%s of %lld, %lld slot%s, proposer %s\n",
                  (long long)b->settings.iterations, (long long)blocks, blocks == 1 ? "" : "s",
                  (long long)size, (long long)b->settings.n_parallel,
                  b->settings.n_parallel == 1 ? "" : "s", b->settings.proposer);
    for (int32_t i = 0; i < p->n_blocks; i++) {
        int64_t n = 1;

        for (int32_t k = 0; k < p->blocks[i].n_axes; k++)
            n *= p->blocks[i].axes[k].n_values > 0 ? p->blocks[i].axes[k].n_values : 1;
        if (p->blocks[i].kind == CN_PARTITION_VARY && n > size - 1)
            cn_buf_printf(out,
                          "  block %lld has %lld combinations and %lld iterations after "
                          "its first: not all are trained\n",
                          (long long)p->blocks[i].first, (long long)n, (long long)size - 1);
        if (p->blocks[i].first > blocks)
            cn_buf_printf(out, "  block %lld is not reached: --iterations %lld would\n",
                          (long long)p->blocks[i].first,
                          (long long)(p->blocks[i].first * size));
    }
}

static cn_status print_study(const struct cn_basis *b, const char *config, struct cn_buf *out,
                             struct cn_err *err)
{
    cn_status st;

    cn_buf_printf(out, "\nwith %s: study %s\n", config, b->trainer->study);
    cn_buf_printf(out, "  reward %s, %s is better: converged %g, failed %g\n", b->info.reward,
                  b->info.reward_lower_is_better ? "lower" : "higher", b->info.converged,
                  b->info.failed);
    if (b->info.guardrails[0])
        cn_buf_printf(out, "  guardrails %s\n", b->info.guardrails);
    print_blocks(b, out);
    if (b->settings.notes[0])
        cn_buf_printf(out, "  settings without meaning here: %s\n", b->settings.notes);
    cn_buf_addc(out, '\n');
    st = print_dims(b, &b->search.training, "training", out, err);
    if (b->search.simulation.space.n > 0)
        cn_buf_addc(out, '\n');
    if (st == CN_OK)
        st = print_dims(b, &b->search.simulation, "simulation", out, err);
    return st;
}

/* -- for scripts -- */

static cn_status json_dims(const struct cn_basis *b, const struct cn_dims *d, const char *cls,
                           struct cn_json_writer *w, struct cn_err *err)
{
    double *x = cn_alloc((size_t)d->space.n + 1, sizeof *x);
    struct row r;

    if (!x)
        return cn_err_set(err, CN_ENOMEM, "no memory for the parameters");
    cn_search_values(d, b->config, x);
    for (int32_t i = 0; i < d->space.n; i++) {
        fill_row(d, i, x[i], &r);
        cn_json_open(w, NULL, '{');
        cn_json_add_string(w, "path", r.path);
        cn_json_add_string(w, "class", cls);
        cn_json_add_string(w, "in_config", r.value);
        cn_json_add_bool(w, "config_inside", is_inside(&d->space.params[i], x[i]));
        cn_json_add_string(w, "explored", r.explored);
        cn_json_add_string(w, "scale", r.scale);
        cn_json_add_string(w, "trainer_allows", r.allowed);
        cn_json_close(w);
    }
    cn_free(x);
    return CN_OK;
}

static cn_status json_study(const struct cn_basis *b, struct cn_json_writer *w,
                            struct cn_err *err)
{
    cn_status st;

    cn_json_open(w, "study", '{');
    cn_json_add_string(w, "name", b->trainer->study);
    cn_json_add_string(w, "reward", b->info.reward);
    cn_json_add_bool(w, "lower_is_better", b->info.reward_lower_is_better);
    cn_json_add_double(w, "converged", b->info.converged);
    cn_json_add_double(w, "failed", b->info.failed);
    cn_json_add_string(w, "guardrails", b->info.guardrails);
    cn_json_add_int(w, "iterations", b->settings.iterations);
    cn_json_add_int(w, "n_iter_block", b->settings.n_iter_block);
    cn_json_open(w, "parameters", '[');
    st = json_dims(b, &b->search.training, "training", w, err);
    if (st == CN_OK)
        st = json_dims(b, &b->search.simulation, "simulation", w, err);
    cn_json_close(w);
    cn_json_close(w);
    return st;
}

/* -- the verb -- */

/* Config and trainer, when a config is given. */
static cn_status resolve(struct cn_basis *b, const char *config, struct cn_err *err)
{
    char *absolute = cn_file_absolute(config),
         *slash = absolute ? strrchr(absolute, '/') : NULL;
    cn_status st = absolute ? cn_yaml_read(config, &b->config, err)
                            : cn_err_set(err, CN_ENOMEM, "%s: no memory", config);

    if (slash)
        slash[slash == absolute ? 1 : 0] = '\0';
    if (st == CN_OK)
        st = cn_basis_complete(b, absolute, NULL, 0, err);
    cn_free(absolute);
    return st;
}

static cn_status tell(const struct cn_basis *b, const char *config, bool json,
                      struct cn_buf *out, struct cn_err *err)
{
    struct cn_json_writer w;
    cn_status st = CN_OK;

    if (!json) {
        cn_protocol_dump(b->protocol, out);
        return config ? print_study(b, config, out, err) : CN_OK;
    }
    cn_json_begin(&w, out, 2);
    cn_json_open(&w, NULL, '{');
    cn_protocol_json(b->protocol, &w);
    if (config)
        st = json_study(b, &w, err);
    cn_json_close(&w);
    cn_buf_addc(out, '\n');
    return st;
}

int cn_cli_protocol_check(const struct cn_cli_args *args)
{
    const char *config = cn_cli_value(args, "config");
    struct cn_err err = CN_ERR_INIT;
    struct cn_basis b;
    struct cn_buf out;
    cn_status st;

    memset(&b, 0, sizeof b);
    cn_buf_init(&out, CN_CAP_TEXT);
    if (args->n_positional > 2)
        st = cn_err_set(&err, CN_EINPUT, "protocol check: one word too many: '%s'",
                        args->positional[2]);
    else
        st = cn_protocol_read(args->positional[1], &b.protocol, &err);
    if (st == CN_OK && config)
        st = resolve(&b, config, &err);
    if (st == CN_OK)
        st = tell(&b, config, cn_cli_flag(args, "json"), &out, &err);
    if (st == CN_OK && cn_buf_status(&out) != CN_OK)
        st =
            cn_err_set(&err, cn_buf_status(&out), "%s: too much to print", args->positional[1]);
    if (st == CN_OK)
        fputs(cn_buf_str(&out), stdout);
    cn_basis_clear(&b);
    cn_buf_clear(&out);
    return st == CN_OK ? 0 : cn_err_print(stderr, "cairn", &err);
}
