/* job.json, exit.json, and what they say about a job. See job.h. */
#include "harness/exec/job.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/json.h"
#include "base/secret.h"
#include "base/text.h"

static const char *const ended_names[] = {
#define X(name, text) text,
    CN_JOB_ENDED_MAP(X)
#undef X
};

enum { N_ENDED = sizeof ended_names / sizeof ended_names[0] };

const char *cn_job_ended_name(cn_job_ended e)
{
    CN_ASSERT((int)e >= 0 && (int)e < N_ENDED);
    return ended_names[e];
}

/* ------------------------------------------------------------------ who runs here */

/* A small file of /proc as text; "" when it cannot be read. */
static void slurp(const char *path, char *out, size_t room)
{
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        n = read(fd, out, room - 1);
        (void)close(fd);
    }
    out[n > 0 ? n : 0] = '\0';
}

/* Field 22 of /proc/PID/stat. The second field, the name in parentheses, may hold spaces: count
 * from the last ')'. -1 when there is no such process, or only its zombie. */
static int64_t birth_of(pid_t pid)
{
    char path[64], text[1024];
    const char *p;
    int field = 2;

    cn_text_format(path, sizeof path, "/proc/%ld/stat", (long)pid);
    slurp(path, text, sizeof text);
    p = strrchr(text, ')');
    if (p && p[1] == ' ' && (p[2] == 'Z' || p[2] == 'X'))
        return -1;
    while (p && field < 22) {
        p = strchr(p + 1, ' ');
        field++;
    }
    return p ? strtoll(p, NULL, 10) : -1;
}

static void boot_id(char out[CN_JOB_HOST_TEXT])
{
    slurp("/proc/sys/kernel/random/boot_id", out, CN_JOB_HOST_TEXT);
    out[strcspn(out, "\n")] = '\0';
}

static void host_name(char out[CN_JOB_HOST_TEXT])
{
    if (gethostname(out, CN_JOB_HOST_TEXT) != 0)
        cn_text_copy(out, CN_JOB_HOST_TEXT, "unknown");
    out[CN_JOB_HOST_TEXT - 1] = '\0';
}

void cn_job_whoami(struct cn_job_start *s)
{
    host_name(s->host);
    boot_id(s->boot);
    s->pid = getpid();
    s->pid_birth = birth_of(s->pid);
}

/* ------------------------------------------------------------------ writing */

static cn_status put_file(const char *dir, const char *name, struct cn_buf *b,
                          struct cn_err *err)
{
    char *path = cn_file_join(dir, name);
    cn_status st;

    cn_buf_addc(b, '\n');
    if (!path || cn_buf_status(b) != CN_OK)
        st = cn_err_set(err, CN_ENOMEM, "%s/%s: no memory to write it", dir, name);
    else
        st = cn_file_replace(path, b->data, b->len, err);
    cn_free(path);
    return st;
}

cn_status cn_job_start_write(const char *dir, const struct cn_job_start *s, struct cn_err *err)
{
    struct cn_json_writer w;
    struct cn_buf b;
    cn_status st;

    cn_buf_init(&b, CN_CAP_RECORD);
    cn_json_begin(&w, &b, 0);
    cn_json_open(&w, NULL, '{');
    cn_json_add_string(&w, "token", s->token);
    cn_json_add_int(&w, "attempt", s->attempt);
    cn_json_add_int(&w, "pid", s->pid);
    cn_json_add_int(&w, "pid_birth", s->pid_birth);
    cn_json_add_string(&w, "host", s->host);
    cn_json_add_string(&w, "boot", s->boot);
    cn_json_add_string(&w, "started", s->started);
    cn_json_close(&w);
    st = put_file(dir, "job.json", &b, err);
    cn_buf_clear(&b);
    return st;
}

cn_status cn_job_exit_write(const char *dir, const struct cn_job_exit *x, struct cn_err *err)
{
    struct cn_json_writer w;
    struct cn_buf b;
    cn_status st;

    cn_buf_init(&b, CN_CAP_RECORD);
    cn_json_begin(&w, &b, 0);
    cn_json_open(&w, NULL, '{');
    cn_json_add_string(&w, "token", x->token);
    cn_json_add_int(&w, "attempt", x->attempt);
    cn_json_add_string(&w, "ended", cn_job_ended_name(x->ended));
    cn_json_add_int(&w, "code", x->code);
    cn_json_add_int(&w, "signal", x->signal);
    cn_json_add_int(&w, "wait_status", x->wait_status);
    cn_json_add_string(&w, "started", x->started);
    cn_json_add_string(&w, "finished", x->finished);
    cn_json_add_double(&w, "seconds", x->seconds);
    cn_json_add_double(&w, "user_s", x->user_s);
    cn_json_add_double(&w, "system_s", x->system_s);
    cn_json_add_int(&w, "max_rss_kib", x->max_rss_kib);
    cn_json_add_int(&w, "oom_kills", x->oom_kills);
    cn_json_add_string(&w, "host", x->host);
    cn_json_add_string(&w, "message", x->message);
    cn_json_close(&w);
    st = put_file(dir, "exit.json", &b, err);
    cn_buf_clear(&b);
    return st;
}

/* ------------------------------------------------------------------ reading */

/* A reader that remembers the first key that is missing or of the wrong type. */
struct reader {
    const struct cn_json *object;
    const char *bad;
};

static void read_text(struct reader *r, const char *key, char *out, size_t room)
{
    const char *s = cn_json_string(cn_json_get(r->object, key));

    out[0] = '\0';
    if (s && strlen(s) < room)
        cn_text_copy(out, room, s);
    else if (!r->bad)
        r->bad = key;
}

static int64_t read_int(struct reader *r, const char *key)
{
    int64_t v = 0;

    if (!cn_json_int64(cn_json_get(r->object, key), &v) && !r->bad)
        r->bad = key;
    return v;
}

static double read_double(struct reader *r, const char *key)
{
    double v = 0;

    if (!cn_json_number(cn_json_get(r->object, key), &v) && !r->bad)
        r->bad = key;
    return v;
}

static cn_job_ended read_ended(struct reader *r)
{
    const char *s = cn_json_string(cn_json_get(r->object, "ended"));

    for (int i = 0; s && i < N_ENDED; i++)
        if (strcmp(s, ended_names[i]) == 0)
            return (cn_job_ended)i;
    if (!r->bad)
        r->bad = "ended";
    return CN_JOB_EXITED;
}

static cn_status open_file(const char *dir, const char *name, struct cn_json_doc **doc,
                           struct reader *r, struct cn_err *err)
{
    char *path = cn_file_join(dir, name);
    cn_status st;

    *doc = NULL;
    if (!path)
        st = cn_err_set(err, CN_ENOMEM, "%s/%s: no memory for its path", dir, name);
    else if (!cn_file_exists(path))
        st = cn_err_set(err, CN_ENOTFOUND, "%s: not there", path);
    else
        st = cn_json_read(path, doc, err);
    if (st == CN_OK)
        *r = (struct reader){cn_json_root(*doc), NULL};
    cn_free(path);
    return st;
}

static cn_status close_file(const char *dir, const char *name, struct cn_json_doc *doc,
                            const struct reader *r, struct cn_err *err)
{
    cn_status st = CN_OK;

    if (r->bad)
        st =
            cn_err_set(err, CN_EINPUT,
                       "%s/%s: key \"%s\" is missing or of the wrong type; cairn-job writes it",
                       dir, name, r->bad);
    cn_json_free(doc);
    return st;
}

cn_status cn_job_start_read(const char *dir, struct cn_job_start *out, struct cn_err *err)
{
    struct cn_json_doc *doc;
    struct reader r;
    cn_status st;

    memset(out, 0, sizeof *out);
    st = open_file(dir, "job.json", &doc, &r, err);
    if (st != CN_OK)
        return st;
    read_text(&r, "token", out->token, sizeof out->token);
    out->attempt = read_int(&r, "attempt");
    out->pid = (pid_t)read_int(&r, "pid");
    out->pid_birth = read_int(&r, "pid_birth");
    read_text(&r, "host", out->host, sizeof out->host);
    read_text(&r, "boot", out->boot, sizeof out->boot);
    read_text(&r, "started", out->started, sizeof out->started);
    return close_file(dir, "job.json", doc, &r, err);
}

cn_status cn_job_exit_read(const char *dir, struct cn_job_exit *out, struct cn_err *err)
{
    struct cn_json_doc *doc;
    struct reader r;
    cn_status st;

    memset(out, 0, sizeof *out);
    st = open_file(dir, "exit.json", &doc, &r, err);
    if (st != CN_OK)
        return st;
    read_text(&r, "token", out->token, sizeof out->token);
    out->attempt = read_int(&r, "attempt");
    out->ended = read_ended(&r);
    out->code = (int)read_int(&r, "code");
    out->signal = (int)read_int(&r, "signal");
    out->wait_status = (int)read_int(&r, "wait_status");
    read_text(&r, "started", out->started, sizeof out->started);
    read_text(&r, "finished", out->finished, sizeof out->finished);
    out->seconds = read_double(&r, "seconds");
    out->user_s = read_double(&r, "user_s");
    out->system_s = read_double(&r, "system_s");
    out->max_rss_kib = read_int(&r, "max_rss_kib");
    out->oom_kills = read_int(&r, "oom_kills");
    read_text(&r, "host", out->host, sizeof out->host);
    read_text(&r, "message", out->message, sizeof out->message);
    return close_file(dir, "exit.json", doc, &r, err);
}

/* ------------------------------------------------------------------ looking */

/* Does the supervisor that wrote job.json still live? On another host we cannot tell: then
 * yes. */
static bool supervisor_lives(const struct cn_job_start *s)
{
    char host[CN_JOB_HOST_TEXT], boot[CN_JOB_HOST_TEXT];

    host_name(host);
    boot_id(boot);
    if (strcmp(host, s->host) != 0)
        return true;
    if (s->boot[0] && strcmp(boot, s->boot) != 0)
        return false;
    return birth_of(s->pid) == s->pid_birth;
}

/* *out: exit.json of this attempt is there. One that cannot be read is not ours and says
 * nothing. */
static cn_status has_ended(const char *dir, const char *token, int64_t attempt, bool *out,
                           struct cn_err *err)
{
    struct cn_job_exit x;
    cn_status st = cn_job_exit_read(dir, &x, err);

    *out = st == CN_OK && x.attempt == attempt && strcmp(x.token, token) == 0;
    return st == CN_ENOTFOUND || st == CN_EINPUT ? CN_OK : st;
}

static bool lock_is_held(const char *dir)
{
    char path[4200];

    (void)snprintf(path, sizeof path, "%s/job.lock", dir);
    return cn_file_is_locked(path);
}

cn_status cn_job_look(const char *dir, const char *token, int64_t attempt, cn_job_seen *out,
                      struct cn_err *err)
{
    struct cn_job_start s;
    bool locked, ended, ours;
    cn_status st;

    *out = CN_JOB_SEEN_NOTHING;
    /* The story: the supervisor writes exit.json first and lets go of the lock after. So look
     * at the lock before exit.json: a free lock means exit.json, if it ever comes, is already
     * there. */
    locked = lock_is_held(dir);
    st = has_ended(dir, token, attempt, &ended, err);
    if (st != CN_OK || ended) {
        *out = ended ? CN_JOB_SEEN_ENDED : CN_JOB_SEEN_NOTHING;
        return st;
    }
    st = cn_job_start_read(dir, &s, err);
    if (st != CN_OK && st != CN_ENOTFOUND && st != CN_EINPUT)
        return st;
    ours = st == CN_OK && s.attempt == attempt && strcmp(s.token, token) == 0;
    if (ours && locked)
        *out = supervisor_lives(&s) ? CN_JOB_SEEN_RUNNING : CN_JOB_SEEN_ORPHANED;
    else if (ours)
        *out = CN_JOB_SEEN_LOST;
    else if (locked)
        *out = CN_JOB_SEEN_TAKEN;
    return CN_OK;
}

bool cn_job_clear_orphans(const char *dir)
{
    struct cn_job_start s;

    if (!lock_is_held(dir) || cn_job_start_read(dir, &s, NULL) != CN_OK || supervisor_lives(&s))
        return false;
    return cn_job_kill_leftovers(dir, s.token, s.attempt) > 0;
}

/* Does /proc/PID/environ hold `wanted`, a whole "NAME=value"? Most processes are not ours to
 * read, or are gone by now: that is a "no". */
static bool environ_has(const char *pid, const char *wanted)
{
    struct cn_buf b;
    char path[300], chunk[4096];
    bool found = false;
    ssize_t n;
    int fd;

    cn_text_format(path, sizeof path, "/proc/%s/environ", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    cn_buf_init(&b, CN_CAP_CONFIG);
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        cn_buf_add(&b, chunk, (size_t)n);
    (void)close(fd);
    for (size_t at = 0; at < b.len && !found; at += strlen(b.data + at) + 1)
        found = strcmp(b.data + at, wanted) == 0;
    cn_buf_clear(&b);
    return found;
}

const char *cn_job_mark(const char *dir, const char *token, int64_t attempt,
                        char out[CN_JOB_MARK_TEXT])
{
    struct stat st;

    out[0] = '\0';
    if (stat(dir, &st) == 0)
        cn_text_format(out, CN_JOB_MARK_TEXT, CN_JOB_ENV "=%s.%lld@%llx:%llx", token,
                       (long long)attempt, (unsigned long long)st.st_dev,
                       (unsigned long long)st.st_ino);
    return out;
}

int cn_job_kill_leftovers(const char *dir, const char *token, int64_t attempt)
{
    char wanted[CN_JOB_MARK_TEXT];
    DIR *proc = *cn_job_mark(dir, token, attempt, wanted) ? opendir("/proc") : NULL;
    struct dirent *e;
    int killed = 0;

    while (proc && (e = readdir(proc)) != NULL) {
        int64_t pid;

        if (!isdigit((unsigned char)e->d_name[0]) || !cn_text_parse_int64(e->d_name, &pid))
            continue;
        if (pid != getpid() && environ_has(e->d_name, wanted) && kill((pid_t)pid, SIGKILL) == 0)
            killed++;
    }
    if (proc)
        (void)closedir(proc);
    return killed;
}

/* ------------------------------------------------------------------ secrets */

void cn_job_names_free(char **names)
{
    cn_secret_names_free(names);
}

char **cn_job_secret_names(void)
{
    return cn_secret_names();
}
