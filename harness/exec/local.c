/* Trainings as processes of this machine, each under a cairn-job in a session of its own, so it
 * outlives us. What has become of a job is judged by its files (harness/exec/job.h); the pid we
 * started is only remembered to reap it and to tell "not started yet" from "never will". */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/text.h"
#include "harness/exec/executor.h"
#include "harness/exec/job.h"

enum { MAX_SLOTS = 256, CPUS_TEXT = 1024 };

/* A supervisor that we started. */
struct child {
    char token[CN_JOB_TOKEN_TEXT];
    int64_t attempt;
    pid_t pid;
    bool over;  /* reaped */
    int status; /* from waitpid, when over */
};

struct local {
    struct cn_executor base;
    char *cairn_job; /* owned */
    int32_t slots, cores;
    int cpus[CPU_SETSIZE]; /* the processors we may use */
    int n_cpus;
    struct child child[MAX_SLOTS]; /* one per slot: a slot runs one job at a time */
};

static struct child *find_child(struct local *l, const char *token, int64_t attempt)
{
    for (int32_t i = 0; i < l->slots; i++)
        if (l->child[i].pid > 0 && l->child[i].attempt == attempt &&
            strcmp(l->child[i].token, token) == 0)
            return &l->child[i];
    return NULL;
}

static void reap_child(struct child *c)
{
    if (c && c->pid > 0 && !c->over && waitpid(c->pid, &c->status, WNOHANG) == c->pid)
        c->over = true;
}

/* "2,3": the slot's share of our processors; "" when every slot may use all (more slots than
 * processors). */
static void slot_cpus(const struct local *l, int32_t slot, char out[CPUS_TEXT])
{
    size_t at = 0;

    out[0] = '\0';
    if ((int64_t)l->slots * l->cores > l->n_cpus)
        return;
    for (int32_t i = 0; i < l->cores && at + 16 < CPUS_TEXT; i++)
        at += (size_t)snprintf(out + at, CPUS_TEXT - at, "%s%d", i ? "," : "",
                               l->cpus[slot * l->cores + i]);
}

/* ------------------------------------------------------------------ submit */

/* Everything that the words of one command line point to. */
struct words {
    const char **argv; /* owned array */
    const char **env;  /* owned array */
    char attempt[32], deadline[CN_NUM_TEXT], grace[CN_NUM_TEXT], memory[32], cpus[CPUS_TEXT];
    char threads[48], slot[48];
};

static int count_words(const char *const *v)
{
    int n = 0;

    while (v && v[n])
        n++;
    return n;
}

static bool build_words(const struct local *l, const struct cn_job_spec *s, struct words *w)
{
    int n = count_words(s->argv), m = count_words(s->env), k = 0;

    w->argv = cn_alloc((size_t)n + 20, sizeof *w->argv);
    w->env = cn_alloc((size_t)m + 4, sizeof *w->env);
    if (!w->argv || !w->env)
        return false;
    slot_cpus(l, s->slot, w->cpus);
    cn_text_format(w->attempt, sizeof w->attempt, "%lld", (long long)s->attempt);
    cn_text_format(w->memory, sizeof w->memory, "%lld", (long long)s->memory_mib);
    cn_text_double(s->deadline_s, w->deadline);
    cn_text_double(s->grace_s, w->grace);
    cn_text_format(w->threads, sizeof w->threads, "CAIRN_THREADS=%d", l->cores);
    cn_text_format(w->slot, sizeof w->slot, "CAIRN_SLOT=%d", s->slot);
    const char *head[] = {l->cairn_job, "--dir",     s->dir,     "--token",
                          s->token,     "--attempt", w->attempt, "--deadline",
                          w->deadline,  "--grace",   w->grace,   "--memory-mib",
                          w->memory,    "--cpus",    w->cpus,    "--"};
    for (size_t i = 0; i < sizeof head / sizeof head[0]; i++)
        w->argv[k++] = head[i];
    for (int i = 0; i < n; i++)
        w->argv[k++] = s->argv[i];
    for (int i = 0; i < m; i++)
        w->env[i] = s->env[i];
    w->env[m] = w->threads;
    w->env[m + 1] = w->slot;
    return true;
}

/* cairn-job's own complaints, apart from the training's output. */
static int open_complaints(const char *dir, struct cn_err *err)
{
    char *path = cn_file_join(dir, "job.err");
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;

    if (fd < 0)
        (void)cn_err_errno(err, "%s/job.err: cannot create it", dir);
    cn_free(path);
    return fd;
}

static cn_status start_supervisor(struct local *l, const struct cn_job_spec *s, struct child *c,
                                  struct cn_err *err)
{
    struct cn_err local = CN_ERR_INIT;
    struct cn_proc_opts p = CN_PROC_OPTS_INIT;
    struct words w;
    char **secrets = cn_job_secret_names();
    int fd = open_complaints(s->dir, err ? err : &local);
    cn_status st;

    memset(&w, 0, sizeof w);
    if (fd < 0) {
        st = err ? err->status : local.status;
    } else if (!secrets || !build_words(l, s, &w)) {
        st = cn_err_set(err, CN_ENOMEM, "%s: no memory to start its job", s->dir);
    } else {
        p.argv = w.argv;
        p.env = w.env;
        p.env_remove = (const char *const *)secrets;
        p.new_session = true;
        p.stdout_fd = p.stderr_fd = fd;
        st = cn_proc_spawn(&p, &c->pid, err);
    }
    if (fd >= 0)
        (void)close(fd);
    cn_job_names_free(secrets);
    cn_free(w.argv);
    cn_free(w.env);
    return st;
}

static cn_status local_submit(struct cn_executor *x, const struct cn_job_spec *s,
                              char out_job[CN_JOB_NAME_TEXT], struct cn_err *err)
{
    struct local *l = (struct local *)x;
    struct child *c;
    cn_status st;

    out_job[0] = '\0';
    if (s->slot < 0 || s->slot >= l->slots)
        return cn_err_set(err, CN_EINPUT, "slot %d: expected 0 to %d", s->slot, l->slots - 1);
    if (strlen(s->token) >= CN_JOB_TOKEN_TEXT)
        return cn_err_set(err, CN_EINPUT, "token %s: longer than %d characters", s->token,
                          CN_JOB_TOKEN_TEXT - 1);
    c = &l->child[s->slot];
    reap_child(c);
    memset(c, 0, sizeof *c);
    cn_text_copy(c->token, sizeof c->token, s->token);
    c->attempt = s->attempt;
    st = start_supervisor(l, s, c, err);
    if (st == CN_OK)
        cn_text_format(out_job, CN_JOB_NAME_TEXT, "local:%ld", (long)c->pid);
    return st;
}

/* ------------------------------------------------------------------ poll, adopt, cancel */

static cn_status local_poll(struct cn_executor *x, const struct cn_job_ref *r,
                            cn_job_state *out, struct cn_err *err)
{
    struct local *l = (struct local *)x;
    struct child *c = find_child(l, r->token, r->attempt);
    cn_job_seen seen;
    cn_status st;

    *out = CN_JOB_WAITING;
    reap_child(c); /* before the look: a supervisor that is over has written all it ever will */
    st = cn_job_look(r->dir, r->token, r->attempt, &seen, err);
    if (st != CN_OK)
        return st;
    switch (seen) {
    case CN_JOB_SEEN_ENDED:
        *out = CN_JOB_OVER;
        break;
    case CN_JOB_SEEN_RUNNING:
        *out = CN_JOB_RUNNING;
        break;
    case CN_JOB_SEEN_ORPHANED: /* the next poll finds the lock free */
        (void)cn_job_kill_leftovers(r->dir, r->token, r->attempt);
        *out = CN_JOB_RUNNING;
        break;
    case CN_JOB_SEEN_TAKEN: /* our supervisor about to say so, or one that must end first */
        (void)cn_job_clear_orphans(r->dir);
        *out = CN_JOB_WAITING;
        break;
    case CN_JOB_SEEN_LOST:
        (void)cn_job_kill_leftovers(r->dir, r->token,
                                    r->attempt); /* those that gave up the lock */
        *out = CN_JOB_LOST;
        break;
    case CN_JOB_SEEN_NOTHING:
        *out = !c ? CN_JOB_ABSENT : c->over ? CN_JOB_LOST : CN_JOB_WAITING;
        break;
    }
    return CN_OK;
}

/* SIGTERM to the supervisor: to our child, or to the one job.json names when it surely is the
 * same process. */
static cn_status local_cancel(struct cn_executor *x, const struct cn_job_ref *r,
                              struct cn_err *err)
{
    struct child *c = find_child((struct local *)x, r->token, r->attempt);
    struct cn_job_start s;
    cn_job_seen seen;
    cn_status st = cn_job_look(r->dir, r->token, r->attempt, &seen, err);

    if (st != CN_OK)
        return st;
    if (seen == CN_JOB_SEEN_RUNNING) {
        st = cn_job_start_read(r->dir, &s, err);
        if (st == CN_OK && kill(s.pid, SIGTERM) != 0 && errno != ESRCH)
            st = cn_err_errno(err, "%s: cannot stop its supervisor %ld", r->dir, (long)s.pid);
    } else if (seen == CN_JOB_SEEN_NOTHING && c && !c->over) {
        (void)kill(c->pid, SIGTERM);
    } else if (seen == CN_JOB_SEEN_ORPHANED) {
        (void)cn_job_kill_leftovers(r->dir, r->token, r->attempt);
    }
    return st;
}

static void local_free(struct cn_executor *x)
{
    struct local *l = (struct local *)x;

    cn_free(l->cairn_job);
    cn_free(l);
}

/* ------------------------------------------------------------------ making one */

static const struct cn_executor_ops local_ops = {"local",      local_submit, local_poll,
                                                 local_cancel, local_poll,   local_free};

static char *find_cairn_job(const char *given)
{
    char *dir, *path = NULL;

    if (given)
        return cn_proc_which(given);
    dir = cn_proc_self_dir();
    if (dir)
        path = cn_file_join(dir, "cairn-job");
    if (path && !cn_file_exists(path)) {
        cn_free(path);
        path = cn_proc_which("cairn-job");
    }
    cn_free(dir);
    return path;
}

static cn_status share_cpus(struct local *l, const struct cn_local_opts *o, struct cn_err *err)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return cn_err_errno(err, "cannot ask which processors may be used");
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &set))
            l->cpus[l->n_cpus++] = i;
    l->cores = o->cores_per_slot > 0 ? o->cores_per_slot : l->n_cpus / o->slots;
    if (l->cores < 1)
        l->cores = 1;
    if (o->cores_per_slot > 0 && (int64_t)l->slots * l->cores > l->n_cpus)
        return cn_err_set(err, CN_EINPUT, "%d slots of %d processors: only %d may be used here",
                          l->slots, l->cores, l->n_cpus);
    return CN_OK;
}

cn_status cn_local_new(const struct cn_local_opts *o, struct cn_executor **out,
                       struct cn_err *err)
{
    struct local *l;
    cn_status st;

    *out = NULL;
    if (o->slots < 1 || o->slots > MAX_SLOTS)
        return cn_err_set(err, CN_EINPUT, "%d slots: expected 1 to %d", o->slots, MAX_SLOTS);
    l = cn_alloc(1, sizeof *l);
    if (!l)
        return cn_err_set(err, CN_ENOMEM, "no memory for the local executor");
    l->base.ops = &local_ops;
    l->slots = o->slots;
    l->cairn_job = find_cairn_job(o->cairn_job);
    if (!l->cairn_job)
        st = cn_err_set(err, CN_ENOTFOUND, "%s: not found beside this program nor on PATH",
                        o->cairn_job ? o->cairn_job : "cairn-job");
    else
        st = share_cpus(l, o, err);
    if (st == CN_OK)
        *out = &l->base;
    else
        local_free(&l->base);
    return st;
}
