/* See provider.h. */
#include "harness/llm/provider.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/text.h"

enum { KEY_BYTES = 4096, KEY_COMMAND_MS = 30000 };

static const struct known {
    const char *name, *home, *home_env, *key_env;
} providers[] = {
    {"anthropic", "https://api.anthropic.com", "CAIRN_ANTHROPIC_URL", "ANTHROPIC_API_KEY"},
    {"openai", "https://api.openai.com", "CAIRN_OPENAI_URL", "OPENAI_API_KEY"},
    {"openai-responses", "https://api.openai.com", "CAIRN_OPENAI_URL", "OPENAI_API_KEY"},
};
enum { N_PROVIDERS = sizeof providers / sizeof *providers };

/* ------------------------------------------------------------------ spec */

static char *join(const char *base, size_t n, const char *path)
{
    size_t room = n + strlen(path) + 1;
    char *url = cn_alloc(room, 1);

    while (n > 0 && base[n - 1] == '/')
        n--;
    if (url)
        cn_text_format(url, room, "%.*s%s", (int)n, base, path);
    return url;
}

static cn_status filled(const struct cn_provider *p, struct cn_err *err)
{
    return p->model && (p->kind != CN_PROVIDER_HTTP || p->url)
               ? CN_OK
               : cn_err_set(err, CN_ENOMEM, "no memory for a model's address");
}

/* http://host:port[/v1]#model */
static cn_status parse_local(const char *spec, struct cn_provider *out, struct cn_err *err)
{
    const char *mark = strchr(spec, '#');
    const char *path, *host;
    size_t n, authority;

    if (!mark || !mark[1])
        return cn_err_set(
            err, CN_EINPUT,
            "llm: %s: expected http://host:port#MODEL; the model's name is missing", spec);
    for (n = (size_t)(mark - spec); n > 0 && spec[n - 1] == '/'; n--)
        ;
    host = strstr(spec, "://") + 3;
    authority = strcspn(host, "/#");
    if (authority == 0 ||
        memchr(host, '@', authority)) /* the words stay: they may hold a password */
        return cn_err_set(
            err, CN_EINPUT,
            "llm: expected http://host:port#MODEL; a host is needed, and a name or a "
            "password has no place there (llm.key_file)");
    out->local = true;
    out->dialect = cn_dialect_find("openai");
    path = cn_dialect_path(out->dialect);
    if (n >= 3 && memcmp(spec + n - 3, "/v1", 3) == 0) /* as their pages write the base */
        path += 3;
    out->url = join(spec, n, path);
    out->model = cn_strdup(mark + 1);
    return filled(out, err);
}

static cn_status unknown(const char *spec, size_t n, struct cn_err *err)
{
    static const char *const names[] = {"anthropic", "openai", "openai-responses",
                                        "command",   "replay", "http"};
    char word[64];
    int near;

    cn_text_format(word, sizeof word, "%.*s", (int)(n < 60 ? n : 60), spec);
    near = cn_text_nearest(word, names, 6);
    return cn_err_set(
        err, CN_EINPUT,
        "llm: %s: expected anthropic:MODEL, openai:MODEL, openai-responses:MODEL, "
        "http://host:port#MODEL, command:'prog args' or replay:RUN%s%s%s",
        spec, near >= 0 ? "; did you mean \"" : "", near >= 0 ? names[near] : "",
        near >= 0 ? "\"?" : "");
}

cn_status cn_provider_parse(const char *spec, struct cn_provider *out, struct cn_err *err)
{
    size_t n = strcspn(spec, ":");
    const char *rest = spec[n] ? spec + n + 1 : "";

    *out = (struct cn_provider){.kind = CN_PROVIDER_HTTP};
    if (cn_text_starts(spec, "http://") || cn_text_starts(spec, "https://"))
        return parse_local(spec, out, err);
    if (!spec[n] || !rest[0])
        return unknown(spec, n, err);
    out->kind = n == 7 && memcmp(spec, "command", 7) == 0  ? CN_PROVIDER_COMMAND
                : n == 6 && memcmp(spec, "replay", 6) == 0 ? CN_PROVIDER_REPLAY
                                                           : CN_PROVIDER_HTTP;
    out->model = cn_strdup(rest);
    if (out->kind != CN_PROVIDER_HTTP)
        return filled(out, err);
    for (int i = 0; i < N_PROVIDERS; i++) {
        const char *home = getenv(providers[i].home_env);

        if (strlen(providers[i].name) != n || memcmp(providers[i].name, spec, n) != 0)
            continue;
        home = home && home[0] ? home : providers[i].home;
        out->dialect = cn_dialect_find(providers[i].name);
        out->url = join(home, strlen(home), cn_dialect_path(out->dialect));
        return filled(out, err);
    }
    cn_provider_clear(out);
    return unknown(spec, n, err);
}

void cn_provider_clear(struct cn_provider *p)
{
    cn_free(p->url);
    cn_free(p->model);
    memset(p, 0, sizeof *p);
}

/* ------------------------------------------------------------------ key */

static void wipe(struct cn_buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->len);
    cn_buf_clear(b);
}

/* The first line, trimmed; NULL when there is none or it is not printable. */
static char *first_line(const struct cn_buf *b)
{
    const char *s = cn_buf_str(b);
    size_t n;

    s += strspn(s, " \t\r\n");
    n = strcspn(s, " \t\r\n");
    for (size_t i = 0; i < n; i++)
        if (s[i] < '!' || s[i] > '~')
            return NULL;
    return n ? cn_strndup(s, n) : NULL;
}

static cn_status from_file(const char *path, char **out, struct cn_err *err)
{
    struct cn_buf b;
    struct stat about;
    cn_status st = CN_OK;

    cn_buf_init(&b, KEY_BYTES);
    if (stat(path, &about) != 0)
        st = cn_err_set(err, CN_EINPUT, "key file %s: not there", path);
    else if (about.st_mode & 077)
        st = cn_err_set(err, CN_EINPUT, "key file %s: others may read it; do: chmod 600 %s",
                        path, path);
    else
        st = cn_file_read(path, KEY_BYTES, &b, err);
    if (st == CN_OK) {
        *out = first_line(&b);
        if (!*out)
            st = cn_err_set(err, CN_EINPUT, "key file %s: expected a key in its first line",
                            path);
    }
    wipe(&b);
    return st;
}

static cn_status from_command(const char *command, char **out, struct cn_err *err)
{
    const char *argv[] = {"/bin/sh", "-c", command, NULL};
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    struct cn_proc_exit x;
    struct cn_buf b;
    cn_status st;

    o.argv = argv;
    cn_buf_init(&b, KEY_BYTES);
    st = cn_proc_run(&o, NULL, 0, KEY_COMMAND_MS, &b, NULL, &x, err);
    if (st == CN_OK && !(x.exited && x.code == 0))
        st = cn_err_set(err, CN_EINPUT, "the key command ended with %s %d",
                        x.exited ? "exit code" : "signal", x.exited ? x.code : x.signal);
    if (st == CN_OK) {
        *out = first_line(&b);
        if (!*out)
            st = cn_err_set(err, CN_EINPUT, "the key command printed no key");
    }
    wipe(&b);
    return st;
}

static const char *key_variable(const struct cn_provider *p)
{
    for (int i = 0; i < N_PROVIDERS; i++)
        if (strcmp(providers[i].name, cn_dialect_name(p->dialect)) == 0)
            return providers[i].key_env;
    return NULL;
}

cn_status cn_key_find(const struct cn_provider *p, const char *file, const char *command,
                      char **out, struct cn_err *err)
{
    const char *name, *value;

    *out = NULL;
    if (p->kind != CN_PROVIDER_HTTP)
        return CN_OK;
    if (command && command[0])
        return from_command(command, out, err);
    if (file && file[0])
        return from_file(file, out, err);
    if (p->local)
        return CN_OK;
    name = key_variable(p);
    value = name ? getenv(name) : NULL;
    if (!value || !value[0])
        return cn_err_set(
            err, CN_EINPUT,
            "no key for %s: set %s, or llm.key_file (a file only you can read), or "
            "llm.key_command",
            cn_dialect_name(p->dialect), name ? name : "the provider's variable");
    *out = cn_strdup(value);
    return *out ? CN_OK : cn_err_set(err, CN_ENOMEM, "no memory for the key");
}

void cn_key_free(char *key)
{
    if (key)
        explicit_bzero(key, strlen(key));
    cn_free(key);
}
