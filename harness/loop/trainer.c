/* Finding a trainer and reading its describe table. See trainer.h.
 *
 * Contents: 1 reading JSON with places  2 the table  3 finding  4 asking
 */
#include "harness/loop/trainer.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/text.h"

enum { DESCRIBE_TIMEOUT_MS = 60000, MAX_NAMES = 4096 };

/* ------------------------------------------------------------------ 1 reading JSON with
 * places */

/* Where we are in the table, for messages: "describe.json: parameters[3] (training.lr): min:
 * ..." */
struct place {
    struct cn_trainer *t;
    const char *name; /* of the file */
    const char *list; /* "parameters" */
    int32_t index;
    const char *item; /* path or name of the entry, "" before it is known */
    struct cn_err *err;
    cn_status status; /* the first trouble sticks */
};

static void complain(struct place *p, const char *key, const char *expected)
{
    if (p->status == CN_OK)
        p->status =
            cn_err_set(p->err, CN_EINPUT, "%s: %s[%d]%s%s: %s: expected %s", p->name, p->list,
                       p->index, p->item[0] ? " " : "", p->item, key, expected);
}

static void *take(struct place *p, size_t n, size_t size)
{
    void *q = cn_arena_alloc(&p->t->arena, n ? n : 1, size);

    if (!q && p->status == CN_OK)
        p->status = cn_err_set(p->err, CN_ENOMEM, "%s: no memory for its table", p->name);
    return q;
}

static const char *keep(struct place *p, const char *s)
{
    char *copy = cn_arena_strdup(&p->t->arena, s);

    if (!copy && p->status == CN_OK)
        p->status = cn_err_set(p->err, CN_ENOMEM, "%s: no memory for its table", p->name);
    return copy ? copy : "";
}

static const char *want_text(struct place *p, const struct cn_json *object, const char *key)
{
    const char *s = cn_json_string(cn_json_get(object, key));

    if (!s || !s[0])
        complain(p, key, "a text");
    return keep(p, s ? s : "");
}

static const char *maybe_text(struct place *p, const struct cn_json *object, const char *key)
{
    const struct cn_json *v = cn_json_get(object, key);

    if (v && cn_json_kind(v) != CN_JSON_STRING && cn_json_kind(v) != CN_JSON_NULL)
        complain(p, key, "a text");
    return keep(p, cn_json_string(v) ? cn_json_string(v) : "");
}

static double maybe_number(struct place *p, const struct cn_json *object, const char *key,
                           double fallback)
{
    const struct cn_json *v = cn_json_get(object, key);
    double x = fallback;

    if (v && cn_json_kind(v) != CN_JSON_NULL && !cn_json_number(v, &x))
        complain(p, key, "a number or null");
    return x;
}

/* One of `words`; its index. Absent: 0. */
static int want_word(struct place *p, const struct cn_json *object, const char *key,
                     const char *const *words, int n)
{
    const char *s = cn_json_string(cn_json_get(object, key));
    char expected[200] = "one of";

    if (!cn_json_get(object, key))
        return 0;
    for (int i = 0; i < n; i++) {
        size_t used = strlen(expected);

        if (s && strcmp(s, words[i]) == 0)
            return i;
        cn_text_format(expected + used, sizeof expected - used, "%s %s", i ? "," : "",
                       words[i]);
    }
    complain(p, key, expected);
    return 0;
}

/* A scalar as YAML would write it; "" for null. */
static const char *scalar_text(struct place *p, const struct cn_json *v, const char *key)
{
    bool yes;
    double x;
    char text[CN_NUM_TEXT];

    if (cn_json_kind(v) == CN_JSON_NULL)
        return "";
    if (cn_json_string(v))
        return keep(p, cn_json_string(v));
    if (cn_json_bool(v, &yes))
        return yes ? "true" : "false";
    if (cn_json_number(v, &x) && strpbrk(cn_json_raw_number(v), ".eE"))
        return keep(p, cn_text_yaml_double(x, text));
    if (cn_json_raw_number(v))
        return keep(p, cn_json_raw_number(v));
    complain(p, key, "a number, a text, true or false");
    return "";
}

/* ------------------------------------------------------------------ 2 the table */

static const char **read_texts(struct place *p, const struct cn_json *list, const char *key,
                               int32_t *out_n)
{
    const char **texts;
    int32_t n = 0;

    *out_n = 0;
    if (!list || cn_json_kind(list) == CN_JSON_NULL)
        return NULL;
    if (cn_json_kind(list) != CN_JSON_ARRAY || cn_json_count(list) > MAX_NAMES) {
        complain(p, key, "a list");
        return NULL;
    }
    texts = take(p, (size_t)cn_json_count(list), sizeof *texts);
    if (!texts)
        return NULL;
    for (const struct cn_json *v = cn_json_first(list); v; v = cn_json_next(v))
        texts[n++] = scalar_text(p, v, key);
    *out_n = n;
    return texts;
}

static void read_derives(struct place *p, const struct cn_json *list,
                         struct cn_trainer_param *out)
{
    struct cn_trainer_derive *d;
    int32_t n = 0;

    if (!list || cn_json_kind(list) == CN_JSON_NULL)
        return;
    if (cn_json_kind(list) != CN_JSON_ARRAY) {
        complain(p, "derives", "a list");
        return;
    }
    d = take(p, (size_t)cn_json_count(list), sizeof *d);
    for (const struct cn_json *v = cn_json_first(list); d && v; v = cn_json_next(v)) {
        d[n].path = want_text(p, v, "path");
        d[n].scale = maybe_number(p, v, "scale", 1);
        d[n].offset = maybe_number(p, v, "offset", 0);
        n++;
    }
    out->derives = d;
    out->n_derives = d ? n : 0;
}

static void check_default(struct place *p, const struct cn_trainer_param *q)
{
    double x;

    if (!q->default_text[0] || (q->type != CN_TRAINER_FLOAT && q->type != CN_TRAINER_INT))
        return;
    if (!cn_text_parse_double(q->default_text, &x))
        complain(p, "default", "a number, as the type says");
    else if (q->n_choices == 0 && !(x >= q->min && x <= q->max))
        complain(p, "default", "a value between min and max");
}

static void read_param(struct place *p, const struct cn_json *v, struct cn_trainer_param *q)
{
    static const char *const types[] = {"float", "int", "bool", "string"};
    static const char *const scales[] = {"linear", "log"};
    static const char *const classes[] = {"training", "simulation"};
    bool ranged;

    p->item = q->path = want_text(p, v, "path");
    if (!cn_json_get(v, "type"))
        complain(p, "type", "one of float, int, bool, string");
    q->type = (cn_trainer_type)want_word(p, v, "type", types, 4);
    q->log = want_word(p, v, "scale", scales, 2) == 1;
    q->simulation = want_word(p, v, "class", classes, 2) == 1;
    q->aliases = read_texts(p, cn_json_get(v, "aliases"), "aliases", &q->n_aliases);
    q->choices = read_texts(p, cn_json_get(v, "choices"), "choices", &q->n_choices);
    ranged = q->type == CN_TRAINER_FLOAT || q->type == CN_TRAINER_INT;
    q->min = ranged ? maybe_number(p, v, "min", -(double)INFINITY) : 0;
    q->max = ranged ? maybe_number(p, v, "max", (double)INFINITY) : 0;
    if (!(q->min <= q->max))
        complain(p, "min", "a number not above max");
    q->default_text = scalar_text(p, cn_json_get(v, "default"), "default");
    read_derives(p, cn_json_get(v, "derives"), q);
    q->meaning = maybe_text(p, v, "meaning");
    q->unit = maybe_text(p, v, "unit");
    check_default(p, q);
}

static void read_metric(struct place *p, const struct cn_json *v, struct cn_trainer_metric *m)
{
    static const char *const better[] = {"higher", "lower"};
    static const char *const roles[] = {"info", "primary", "guardrail"};
    int role;

    p->item = m->name = want_text(p, v, "name");
    m->min = maybe_number(p, v, "min", -(double)INFINITY);
    m->max = maybe_number(p, v, "max", (double)INFINITY);
    m->lower_is_better = want_word(p, v, "better", better, 2) == 1;
    role = want_word(p, v, "role", roles, 3);
    m->primary = role == 1;
    m->guardrail = role == 2;
}

static const struct cn_json *want_list(struct place *p, const struct cn_json *root,
                                       const char *key)
{
    const struct cn_json *list = cn_json_get(root, key);

    p->list = key;
    p->item = "";
    p->index = 0;
    if (cn_json_kind(list) != CN_JSON_ARRAY || cn_json_count(list) < 1 ||
        cn_json_count(list) > MAX_NAMES) {
        if (p->status == CN_OK)
            p->status =
                cn_err_set(p->err, CN_EINPUT, "%s: %s: expected a list with at least one entry",
                           p->name, key);
        return NULL;
    }
    return list;
}

static void read_params(struct place *p, const struct cn_json *root)
{
    const struct cn_json *list = want_list(p, root, "parameters");
    struct cn_trainer_param *q = list ? take(p, (size_t)cn_json_count(list), sizeof *q) : NULL;

    p->t->params = q;
    for (const struct cn_json *v = q ? cn_json_first(list) : NULL; v;
         v = cn_json_next(v), p->index++) {
        p->item = "";
        read_param(p, v, &q[p->t->n_params++]);
    }
}

static void read_metrics(struct place *p, const struct cn_json *root)
{
    const struct cn_json *list = want_list(p, root, "metrics");
    struct cn_trainer_metric *m = list ? take(p, (size_t)cn_json_count(list), sizeof *m) : NULL;

    p->t->metrics = m;
    for (const struct cn_json *v = m ? cn_json_first(list) : NULL; v;
         v = cn_json_next(v), p->index++) {
        p->item = "";
        read_metric(p, v, &m[p->t->n_metrics++]);
    }
}

/* Every path and alias names one parameter only. */
static void check_names(struct place *p)
{
    const struct cn_trainer *t = p->t;

    p->list = "parameters";
    for (int32_t i = 0; i < t->n_params && p->status == CN_OK; i++) {
        p->index = i;
        p->item = t->params[i].path;
        if (cn_trainer_param_exact(t, t->params[i].path) != &t->params[i])
            complain(p, "path", "a name that no other parameter has");
        for (int32_t k = 0; k < t->params[i].n_aliases; k++)
            if (cn_trainer_param_exact(t, t->params[i].aliases[k]) != &t->params[i])
                complain(p, "aliases", "names that no other parameter has");
    }
}

cn_status cn_trainer_parse(const char *name, const char *text, size_t n,
                           struct cn_trainer **out, struct cn_err *err)
{
    struct cn_trainer *t = cn_alloc(1, sizeof *t);
    struct place p = {
        .t = t, .name = name, .list = "", .item = "", .err = err, .status = CN_OK};
    struct cn_json_doc *doc = NULL;
    int64_t contract;

    *out = NULL;
    if (!t)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory for its table", name);
    cn_arena_init(&t->arena, CN_CAP_FILE);
    p.status = cn_json_parse(name, text, n, &doc, err);
    if (p.status == CN_OK &&
        (!cn_json_int64(cn_json_get(cn_json_root(doc), "contract"), &contract) ||
         contract != 1))
        p.status = cn_err_set(err, CN_EINPUT, "%s: contract: expected the number 1", name);
    if (p.status == CN_OK) {
        t->study = maybe_text(&p, cn_json_root(doc), "study");
        (void)cn_json_bool(cn_json_get(cn_json_root(doc), "checks"), &t->checks);
        t->describe = keep(&p, text);
        read_params(&p, cn_json_root(doc));
        read_metrics(&p, cn_json_root(doc));
        check_names(&p);
    }
    cn_json_free(doc);
    if (p.status == CN_OK)
        *out = t;
    else
        cn_trainer_free(t);
    return p.status;
}

void cn_trainer_free(struct cn_trainer *t)
{
    if (!t)
        return;
    cn_arena_clear(&t->arena);
    cn_free(t);
}

/* ------------------------------------------------------------------ 3 finding */

/* "describe" or "command[1]" relative to the config's folder; allocated in the arena. A word
 * without slash that is no file there stays as it is (a program on PATH, an option). */
static const char *resolve(struct cn_trainer *t, const char *dir, const char *word)
{
    char *path, *absolute = NULL;
    const char *kept = NULL;

    if (word[0] == '/')
        return cn_arena_strdup(&t->arena, word);
    path = cn_file_join(dir, word);
    if (path && (cn_file_exists(path) || strchr(word, '/')))
        absolute = cn_file_absolute(path);
    kept = path ? cn_arena_strdup(&t->arena, absolute ? absolute : word) : NULL;
    cn_free(path);
    cn_free(absolute);
    return kept;
}

static cn_status resolve_command(struct cn_trainer *t, const struct cn_yaml_node *list,
                                 const char *dir, struct cn_err *err)
{
    int64_t n = cn_yaml_count(list);
    const char **argv = cn_arena_alloc(&t->arena, (size_t)n + 1, sizeof *argv);
    int64_t i = 0;

    for (const struct cn_yaml_node *v = cn_yaml_first(list); argv && v; v = cn_yaml_next(v)) {
        argv[i] = resolve(t, dir, cn_yaml_string(v));
        if (!argv[i++])
            argv = NULL;
    }
    if (!argv)
        return cn_err_set(err, CN_ENOMEM, "no memory for the trainer's command");
    t->command = argv;
    return CN_OK;
}

static cn_status check_command(const struct cn_yaml *config, const struct cn_yaml_node *command,
                               struct cn_err *err)
{
    bool good = cn_yaml_kind(command) == CN_YAML_SEQ && cn_yaml_count(command) > 0;

    for (const struct cn_yaml_node *v = cn_yaml_first(command); good && v; v = cn_yaml_next(v))
        good = cn_yaml_string(v) != NULL;
    if (!good)
        return cn_err_set(err, CN_EINPUT,
                          "%s:%d: trainer.command: expected a list like [python3, train.py]",
                          cn_yaml_name(config), cn_yaml_line(command));
    return CN_OK;
}

/* Better refused now than failed by every training. */
static cn_status check_program(const struct cn_yaml *config, const struct cn_yaml_node *command,
                               const char *program, struct cn_err *err)
{
    char *path = cn_proc_which(program);
    bool found = path != NULL;

    cn_free(path);
    if (found)
        return CN_OK;
    return cn_err_set(err, CN_ENOTFOUND, "%s:%d: trainer.command: %s: no such program",
                      cn_yaml_name(config), cn_yaml_line(command), program);
}

/* A user's own trainer: trainer: {command: [...], describe: FILE} */
static cn_status find_own(const struct cn_yaml *config, const struct cn_yaml_node *section,
                          const char *dir, struct cn_trainer **out, struct cn_err *err)
{
    const struct cn_yaml_node *command = cn_yaml_get(section, "command");
    const char *describe = cn_yaml_string(cn_yaml_get(section, "describe"));
    char *path = NULL;
    struct cn_buf text;
    cn_status st = check_command(config, command, err);

    cn_buf_init(&text, CN_CAP_CONFIG);
    if (st == CN_OK && !describe)
        st = cn_err_set(err, CN_EINPUT,
                        "%s:%d: trainer.describe: expected the name of a JSON file",
                        cn_yaml_name(config), cn_yaml_line(section));
    if (st == CN_OK) {
        path = describe[0] == '/' ? cn_strdup(describe) : cn_file_join(dir, describe);
        st = path ? cn_file_read(path, CN_CAP_CONFIG, &text, err)
                  : cn_err_set(err, CN_ENOMEM, "no memory");
    }
    if (st == CN_OK)
        st = cn_trainer_parse(path, cn_buf_str(&text), text.len, out, err);
    if (st == CN_OK)
        st = resolve_command(*out, command, dir, err);
    if (st == CN_OK)
        st = check_program(config, command, (*out)->command[0], err);
    if (st == CN_OK && !(*out)->study[0])
        (*out)->study = "own";
    cn_buf_clear(&text);
    cn_free(path);
    return st;
}

static char *find_cairn_train(void)
{
    char *dir = cn_proc_self_dir(), *path = dir ? cn_file_join(dir, "cairn-train") : NULL;

    cn_free(dir);
    if (path && cn_file_exists(path))
        return path;
    cn_free(path);
    return cn_proc_which("cairn-train");
}

static cn_status describe_study(const char *program, const char *study, struct cn_trainer **out,
                                struct cn_err *err)
{
    const char *argv[] = {program, "describe", study, NULL};
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    struct cn_proc_exit x;
    struct cn_buf text, words;
    cn_status st;

    cn_buf_init(&text, CN_CAP_CAPTURE);
    cn_buf_init(&words, CN_CAP_CAPTURE);
    o.argv = argv;
    st = cn_proc_run(&o, NULL, 0, DESCRIBE_TIMEOUT_MS, &text, &words, &x, err);
    if (st == CN_OK && (!x.exited || x.code != 0))
        st = cn_err_set(err, CN_EINPUT, "study: %s: %s describe says: %.*s", study, program,
                        (int)strcspn(cn_buf_str(&words), "\n"), cn_buf_str(&words));
    if (st == CN_OK)
        st = cn_trainer_parse("cairn-train describe", cn_buf_str(&text), text.len, out, err);
    cn_buf_clear(&text);
    cn_buf_clear(&words);
    return st;
}

/* One of cairn's own studies. */
static cn_status find_study(const char *study, struct cn_trainer **out, struct cn_err *err)
{
    char *program = find_cairn_train();
    const char **argv;
    cn_status st;

    if (!program)
        return cn_err_set(err, CN_ENOTFOUND,
                          "study: %s: cairn-train is neither beside this program nor on PATH",
                          study);
    st = describe_study(program, study, out, err);
    if (st == CN_OK) {
        argv = cn_arena_alloc(&(*out)->arena, 2, sizeof *argv);
        if (argv)
            argv[0] = cn_arena_strdup(&(*out)->arena, program);
        (*out)->command = argv;
        (*out)->study = cn_arena_strdup(&(*out)->arena, study);
        if (!argv || !argv[0] || !(*out)->study)
            st = cn_err_set(err, CN_ENOMEM, "no memory for the trainer's command");
    }
    cn_free(program);
    return st;
}

cn_status cn_trainer_find(const struct cn_yaml *config, const char *config_dir,
                          struct cn_trainer **out, struct cn_err *err)
{
    const struct cn_yaml_node *root = cn_yaml_root(config), *own = cn_yaml_get(root, "trainer");
    const char *study = cn_yaml_string(cn_yaml_get(root, "study"));
    cn_status st;

    *out = NULL;
    if (own && study)
        st = cn_err_set(
            err, CN_EINPUT,
            "%s:%d: trainer: the config names a study too (%s); expected one of the two",
            cn_yaml_name(config), cn_yaml_line(own), study);
    else if (own)
        st = find_own(config, own, config_dir, out, err);
    else if (study)
        st = find_study(study, out, err);
    else
        st = cn_err_set(err, CN_EINPUT,
                        "%s: expected \"study: fly\" or \"trainer: {command: [...], describe: "
                        "FILE}\", found neither",
                        cn_yaml_name(config));
    if (st != CN_OK) {
        cn_trainer_free(*out);
        *out = NULL;
    }
    return st;
}

/* ------------------------------------------------------------------ 4 asking */

const struct cn_trainer_param *cn_trainer_param_exact(const struct cn_trainer *t,
                                                      const char *path)
{
    for (int32_t i = 0; i < t->n_params; i++)
        if (strcmp(t->params[i].path, path) == 0)
            return &t->params[i];
    for (int32_t i = 0; i < t->n_params; i++)
        for (int32_t k = 0; k < t->params[i].n_aliases; k++)
            if (strcmp(t->params[i].aliases[k], path) == 0)
                return &t->params[i];
    return NULL;
}

static const char *last_part(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot ? dot + 1 : path;
}

static bool has_last_part(const struct cn_trainer_param *p, const char *name)
{
    if (strcmp(last_part(p->path), name) == 0)
        return true;
    for (int32_t k = 0; k < p->n_aliases; k++)
        if (strcmp(last_part(p->aliases[k]), name) == 0)
            return true;
    return false;
}

static const struct cn_trainer_param *not_known(const struct cn_trainer *t, const char *name,
                                                struct cn_err *err)
{
    const char *names[MAX_NAMES];
    int n = 0, near;

    for (int32_t i = 0; i < t->n_params && n < MAX_NAMES; i++)
        names[n++] = strchr(name, '.') ? t->params[i].path : last_part(t->params[i].path);
    near = cn_text_nearest(name, names, n);
    (void)cn_err_set(err, CN_EINPUT, "%s: study %s has no such parameter%s%s%s", name, t->study,
                     near >= 0 ? "; did you mean \"" : "", near >= 0 ? names[near] : "",
                     near >= 0 ? "\"?" : "");
    return NULL;
}

const struct cn_trainer_param *cn_trainer_param(const struct cn_trainer *t, const char *name,
                                                struct cn_err *err)
{
    const struct cn_trainer_param *found = cn_trainer_param_exact(t, name);
    int hits = 0;

    if (found)
        return found;
    for (int32_t i = 0; i < t->n_params && !strchr(name, '.'); i++)
        if (has_last_part(&t->params[i], name)) {
            found = &t->params[i];
            hits++;
        }
    if (hits > 1) {
        (void)cn_err_set(err, CN_EINPUT,
                         "%s: more than one parameter ends so; write the whole path", name);
        return NULL;
    }
    return found ? found : not_known(t, name, err);
}

const char *cn_trainer_spelling(const struct cn_trainer_param *p, const struct cn_yaml *config)
{
    const struct cn_yaml_node *root = cn_yaml_root(config);

    if (cn_yaml_path(root, p->path))
        return p->path;
    for (int32_t k = 0; k < p->n_aliases; k++)
        if (cn_yaml_path(root, p->aliases[k]))
            return p->aliases[k];
    return p->path;
}

const struct cn_trainer_metric *cn_trainer_metric(const struct cn_trainer *t, const char *name)
{
    for (int32_t i = 0; i < t->n_metrics; i++)
        if (strcmp(t->metrics[i].name, name) == 0)
            return &t->metrics[i];
    return NULL;
}

const struct cn_trainer_metric *cn_trainer_primary(const struct cn_trainer *t)
{
    for (int32_t i = 0; i < t->n_metrics; i++)
        if (t->metrics[i].primary)
            return &t->metrics[i];
    return NULL;
}
