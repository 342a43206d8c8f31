/* Child processes.
 *
 * Between fork and exec the child calls only async-signal-safe functions; all it needs
 * (environment, path, descriptors) is prepared before. How a failure in the child becomes an
 * error here:
 *     parent  makes a close-on-exec pipe, forks, reads the pipe
 *     child   exec works: the kernel closes the pipe, the parent reads 0 bytes and knows
 *     child   anything fails: {step, errno} goes into the pipe, the child leaves with 127
 *     parent  reads the bytes, reaps the child, reports
 */
#include "base/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/text.h"

extern char **environ;

enum { FD_INHERIT = -1, FD_NULL = -2, SLICE_MS = 20, TICK_MS = 100, READ_BYTES = 65536 };

/* Real time, not base/clock.h: children do not live in a frozen clock. */
static int64_t real_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- finding programs ---- */

static bool is_program(const char *path)
{
    struct stat s;

    return stat(path, &s) == 0 && S_ISREG(s.st_mode) && access(path, X_OK) == 0;
}

char *cn_proc_which(const char *program)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets it here */
    const char *dirs = getenv("PATH"), *p;
    char *found = NULL;

    if (strchr(program, '/'))
        return is_program(program) ? cn_file_absolute(program) : NULL;
    for (p = dirs ? dirs : "/usr/local/bin:/usr/bin:/bin"; *program && !found; p++) {
        size_t n = strcspn(p, ":");
        char *dir = n ? cn_strndup(p, n) : cn_strdup(".");
        char *path = dir ? cn_file_join(dir, program) : NULL;

        if (path && is_program(path))
            found = cn_file_absolute(path);
        cn_free(path);
        cn_free(dir);
        p += n;
        if (!*p)
            break;
    }
    return found;
}

char *cn_proc_self_dir(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash;

    if (n <= 0)
        return NULL;
    path[n] = '\0';
    slash = strrchr(path, '/');
    if (!slash)
        return NULL;
    slash[slash == path ? 1 : 0] = '\0';
    return cn_strdup(path);
}

/* ---- starting ---- */

/* The steps of the child, for the message of the parent. */
enum step { STEP_FD, STEP_SESSION, STEP_CWD, STEP_EXEC };

struct start {
    const struct cn_proc_opts *o;
    char *path;    /* owned, absolute */
    char **argv;   /* owned array of borrowed strings */
    char **env;    /* owned array of borrowed strings */
    int null_fd;   /* owned; /dev/null */
    int status[2]; /* owned; the pipe */
    int max_fd;    /* highest descriptor open now */
    bool own_group;
};

static bool names_same(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");

    return strcspn(b, "=") == n && memcmp(a, b, n) == 0;
}

static bool is_listed(const char *entry, const char *const *list)
{
    for (; list && *list; list++)
        if (names_same(entry, *list))
            return true;
    return false;
}

static char *unconst(const char *s)
{
    union {
        const char *in;
        char *out;
    } u = {s}; /* execve's type predates const; it does not write */

    return u.out;
}

static size_t list_len(const char *const *list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    return n;
}

static char **make_env(const struct cn_proc_opts *o)
{
    size_t ours = 0, n = 0;
    char **env;

    while (environ && environ[ours])
        ours++;
    env = cn_alloc(ours + list_len(o->env) + 1, sizeof *env);
    if (!env)
        return NULL;
    for (size_t i = 0; i < ours; i++)
        if (!is_listed(environ[i], o->env) && !is_listed(environ[i], o->env_remove))
            env[n++] = environ[i];
    for (size_t i = 0; i < list_len(o->env); i++)
        env[n++] = unconst(o->env[i]);
    return env;
}

static char **make_argv(const char *const *list)
{
    size_t n = list_len(list);
    char **argv = cn_alloc(n + 1, sizeof *argv);

    for (size_t i = 0; argv && i < n; i++)
        argv[i] = unconst(list[i]);
    return argv;
}

/* Only for kernels without close_range: how far the child must go. */
static int highest_fd(void)
{
    DIR *d = opendir("/proc/self/fd");
    struct dirent *e;
    int highest = 1023;

    while (d && (e = readdir(d))) { /* NOLINT(concurrency-mt-unsafe): a stream of our own */
        int64_t fd;

        if (cn_text_parse_int64(e->d_name, &fd) && fd > highest && fd < INT32_MAX)
            highest = (int)fd;
    }
    if (d)
        (void)closedir(d);
    return highest;
}

_Noreturn static void child_fail(const struct start *s, enum step step)
{
    int word[2] = {(int)step, errno};
    ssize_t written = write(s->status[1], word, sizeof word);

    _exit(written == (ssize_t)sizeof word ? 127 : 126);
}

/* Everything above 2 closes at exec, but keep_fd. */
static int child_mark_fds(const struct start *s)
{
    int done = -1;

#if defined(SYS_close_range)
    enum { CLOEXEC_ONLY = 1 << 2 }; /* CLOSE_RANGE_CLOEXEC, Linux 5.11 */
    done = (int)syscall(SYS_close_range, 3u, ~0u, CLOEXEC_ONLY);
#endif
    for (int fd = 3; done != 0 && fd <= s->max_fd; fd++)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* not open is fine */
    return s->o->keep_fd > 2 ? fcntl(s->o->keep_fd, F_SETFD, 0) : 0;
}

/* Sources are first copied above 9, so that a source numbered 0..2 is not overwritten before
 * its turn. */
static int child_place_fds(const struct start *s)
{
    const int wanted[3] = {s->o->stdin_fd == FD_INHERIT ? FD_NULL : s->o->stdin_fd,
                           s->o->stdout_fd, s->o->stderr_fd};
    int copy[3];

    for (int i = 0; i < 3; i++) {
        copy[i] = -1;
        if (wanted[i] != FD_INHERIT)
            copy[i] = fcntl(wanted[i] == FD_NULL ? s->null_fd : wanted[i], F_DUPFD_CLOEXEC, 10);
        if (wanted[i] != FD_INHERIT && copy[i] < 0)
            return -1;
    }
    for (int i = 0; i < 3; i++)
        if (copy[i] >= 0 && dup2(copy[i], i) < 0)
            return -1;
    return 0;
}

_Noreturn static void child(const struct start *s)
{
    struct sigaction plain;
    sigset_t none;

    memset(&plain, 0, sizeof plain);
    plain.sa_handler = SIG_DFL;
    for (int sig = 1; sig < NSIG; sig++)
        /* KILL, STOP and the C library's own refuse: fine. */
        (void)sigaction(sig, &plain, NULL);
    if (child_place_fds(s) != 0 || child_mark_fds(s) != 0)
        child_fail(s, STEP_FD);
    if (s->o->new_session ? setsid() < 0 : s->own_group && setpgid(0, 0) != 0)
        child_fail(s, STEP_SESSION);
    if (s->o->cwd && chdir(s->o->cwd) != 0)
        child_fail(s, STEP_CWD);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)execve(s->path, s->argv, s->env);
    child_fail(s, STEP_EXEC);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void reap(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* What the child says about its start: nothing means that exec worked. */
static cn_status read_verdict(const struct start *s, pid_t pid, struct cn_err *err)
{
    int word[2];
    ssize_t n;

    do
        n = read(s->status[0], word, sizeof word);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return CN_OK;
    reap(pid);
    if (n != (ssize_t)sizeof word)
        return cn_err_set(err, CN_EIO, "%s: the child died before it started the program",
                          s->path);
    errno = word[1];
    switch ((enum step)word[0]) {
    case STEP_CWD:
        return cn_err_errno(err, "%s: cannot start in folder %s", s->o->argv[0], s->o->cwd);
    case STEP_FD:
        return cn_err_errno(err, "%s: cannot set up its input and output", s->o->argv[0]);
    case STEP_SESSION:
        return cn_err_errno(err, "%s: cannot make a session for it", s->o->argv[0]);
    case STEP_EXEC:
        break;
    }
    return cn_err_errno(err, "cannot run %s", s->path);
}

static cn_status prepare(struct start *s, struct cn_err *err)
{
    const char *program = s->o->argv[0];

    s->path = cn_proc_which(program);
    if (!s->path)
        return cn_err_set(err, CN_ENOTFOUND,
                          strchr(program, '/') ? "%s: no such program"
                                               : "%s: no such program on PATH",
                          program);
    s->argv = make_argv(s->o->argv);
    s->env = make_env(s->o);
    if (!s->argv || !s->env)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory to start it", program);
    s->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (s->null_fd < 0)
        return cn_err_errno(err, "/dev/null");
    if (pipe2(s->status, O_CLOEXEC) != 0)
        return cn_err_errno(err, "%s: pipe", program);
    if (s->status[1] < 3) { /* our own 0..2 may be closed; the child puts others there */
        int high = fcntl(s->status[1], F_DUPFD_CLOEXEC, 3);

        if (high < 0)
            return cn_err_errno(err, "%s: pipe", program);
        (void)close(s->status[1]);
        s->status[1] = high;
    }
    s->max_fd = highest_fd();
    return CN_OK;
}

static cn_status spawn(const struct cn_proc_opts *o, bool own_group, pid_t *out_pid,
                       struct cn_err *err)
{
    struct start s = {.o = o, .null_fd = -1, .status = {-1, -1}, .own_group = own_group};
    sigset_t all, before;
    pid_t pid = -1;
    cn_status st;

    *out_pid = -1;
    CN_ASSERT(o->argv && o->argv[0]);
    st = prepare(&s, err);
    if (st != CN_OK)
        goto out;
    /* Our handlers must not run in the child before it has put them back. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0)
        child(&s);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) {
        st = cn_err_errno(err, "%s: fork", o->argv[0]);
        goto out;
    }
    close_fd(&s.status[1]);
    st = read_verdict(&s, pid, err);
    if (st == CN_OK)
        *out_pid = pid;
out:
    close_fd(&s.status[0]);
    close_fd(&s.status[1]);
    close_fd(&s.null_fd);
    cn_free(s.argv);
    cn_free(s.env);
    cn_free(s.path);
    return st;
}

cn_status cn_proc_spawn(const struct cn_proc_opts *o, pid_t *out_pid, struct cn_err *err)
{
    return spawn(o, false, out_pid, err);
}

/* ---- waiting ---- */

/* -1 on kernels before 5.3; then we look every SLICE_MS. */
static int pidfd(pid_t pid)
{
#if defined(SYS_pidfd_open)
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    (void)pid;
    errno = ENOSYS;
    return -1;
#endif
}

/* Has the child ended? It stays unreaped. */
static bool has_ended(pid_t pid)
{
    siginfo_t info;

    memset(&info, 0, sizeof info);
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
           info.si_pid == pid;
}

static int left_ms(int64_t deadline)
{
    int64_t left = deadline - real_ms();

    return left < 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

/* True when the child ended (or is not ours) before the deadline. */
static bool await_end(pid_t pid, int64_t timeout_ms)
{
    struct pollfd p = {.fd = pidfd(pid), .events = POLLIN};
    int64_t deadline = real_ms() + timeout_ms;
    bool ended;

    while (!(ended = has_ended(pid)) && left_ms(deadline) > 0) {
        int slice = left_ms(deadline);

        /* A negative fd only sleeps. */
        (void)poll(&p, 1, p.fd < 0 && slice > SLICE_MS ? SLICE_MS : slice);
    }
    close_fd(&p.fd);
    return ended;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

cn_status cn_proc_wait(pid_t pid, int64_t timeout_ms, struct cn_proc_exit *out,
                       struct cn_err *err)
{
    struct rusage usage;
    int status = 0;
    pid_t got;

    memset(out, 0, sizeof *out);
    memset(&usage, 0, sizeof usage);
    if (timeout_ms >= 0 && !await_end(pid, timeout_ms))
        return cn_err_set(err, CN_ETIMEOUT, "process %d still runs after %lld ms", (int)pid,
                          (long long)timeout_ms);
    do
        got = wait4(pid, &status, 0, &usage);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return cn_err_errno(err, "cannot wait for process %d", (int)pid);
    out->wait_status = status;
    out->exited = WIFEXITED(status);
    out->code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    out->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    out->user_s = seconds(usage.ru_utime);
    out->system_s = seconds(usage.ru_stime);
    out->max_rss_kib = usage.ru_maxrss;
    return CN_OK;
}

/* The leader is reaped last: until then its number cannot belong to another group. */
void cn_proc_kill_group(pid_t pid, int64_t grace_ms)
{
    if (pid <= 1)
        return;
    if (kill(-pid, SIGTERM) != 0)
        (void)kill(pid, SIGTERM);
    (void)await_end(pid, grace_ms);
    if (kill(-pid, SIGKILL) != 0)
        (void)kill(pid, SIGKILL);
    reap(pid);
}

/* ---- running to the end ---- */

enum { IN, OUT, ERR };

struct run {
    const struct cn_proc_opts *o;
    const char *program;
    const char *input;
    size_t input_n, written;
    struct cn_buf *into[3]; /* [IN] unused */
    int ours[3];            /* owned pipe ends, -1 when closed or not wanted */
    int theirs[3];
    pid_t pid;
    int64_t tick_ms; /* of the last tick */
};

/* write(2) without dying of SIGPIPE, whatever the rest of the program does with that signal. */
static ssize_t write_quietly(int fd, const char *bytes, size_t n)
{
    sigset_t pipe_only, before, pending;
    struct timespec now = {0, 0};
    bool was_pending;
    ssize_t done;
    int keep;

    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    (void)sigpending(&pending);
    was_pending = sigismember(&pending, SIGPIPE) == 1;
    (void)pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    done = write(fd, bytes, n);
    keep = errno;
    if (done < 0 && keep == EPIPE && !was_pending)
        (void)sigtimedwait(&pipe_only, NULL, &now);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = keep;
    return done;
}

static void feed(struct run *r)
{
    ssize_t n = write_quietly(r->ours[IN], r->input + r->written, r->input_n - r->written);

    if (n >= 0)
        r->written += (size_t)n;
    else if (errno != EAGAIN && errno != EINTR)
        r->written = r->input_n; /* it does not read any more: its own business */
    if (r->written == r->input_n)
        close_fd(&r->ours[IN]);
}

/* Read what is there. *out_more: the pipe is open and was not empty. */
static cn_status drain(struct run *r, int which, bool *out_more, struct cn_err *err)
{
    char bytes[READ_BYTES];
    ssize_t n = read(r->ours[which], bytes, sizeof bytes);
    struct cn_buf *b = r->into[which];

    *out_more = n > 0;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        close_fd(&r->ours[which]);
    if (n <= 0)
        return CN_OK;
    if (b->len + (size_t)n > CN_CAP_CAPTURE)
        return cn_err_set(err, CN_ECAP, "%s: more than %zu bytes on its %s", r->program,
                          CN_CAP_CAPTURE, which == OUT ? "output" : "error output");
    cn_buf_add(b, bytes, (size_t)n);
    if (cn_buf_status(b) != CN_OK)
        return cn_err_set(err, cn_buf_status(b), "%s: cannot keep its %s: %s", r->program,
                          which == OUT ? "output" : "error output",
                          cn_status_text(cn_buf_status(b)));
    return CN_OK;
}

/* For how long to sleep, and the caller's turn, about every TICK_MS. */
static int next_wait(struct run *r, int wait, bool ended, bool watched)
{
    int64_t now = real_ms();

    if (r->o->tick && now - r->tick_ms >= TICK_MS) {
        r->tick_ms = now;
        r->o->tick(r->o->tick_ctx);
    }
    if (ended)
        return 0;
    if ((r->o->tick || r->o->stop) && wait > TICK_MS)
        wait = TICK_MS;
    return !watched && wait > SLICE_MS ? SLICE_MS : wait;
}

/* Feed and drain until the child has ended and its pipes are empty. A grandchild that holds a
 * pipe open does not keep us. */
static cn_status exchange(struct run *r, int64_t deadline, int64_t timeout_ms,
                          struct cn_err *err)
{
    int watch = pidfd(r->pid);
    cn_status st = CN_OK;
    bool ended = false, more = true;

    while (st == CN_OK && !(ended && !more)) {
        struct pollfd p[4] = {{.fd = r->ours[IN], .events = POLLOUT},
                              {.fd = r->ours[OUT], .events = POLLIN},
                              {.fd = r->ours[ERR], .events = POLLIN},
                              {.fd = ended ? -1 : watch, .events = POLLIN}};
        int wait = left_ms(deadline);

        if (timeout_ms >= 0 && wait == 0) {
            st = cn_err_set(err, CN_ETIMEOUT, "%s: still running after %lld ms, killed",
                            r->program, (long long)timeout_ms);
            break;
        }
        if (r->o->stop && *r->o->stop) {
            st = cn_err_set(err, CN_ESTOPPED, "%s: stopped on request", r->program);
            break;
        }
        (void)poll(p, 4, next_wait(r, timeout_ms < 0 ? 3600000 : wait, ended, watch >= 0));
        /* Before reading: what it wrote is then in the pipe. */
        ended = ended || has_ended(r->pid);
        more = false;
        if (r->ours[IN] >= 0 && p[IN].revents)
            feed(r);
        for (int i = OUT; st == CN_OK && i <= ERR; i++) {
            bool again = false;

            if (r->ours[i] >= 0 && (p[i].revents || ended))
                st = drain(r, i, &again, err);
            more = more || again;
        }
    }
    close_fd(&watch);
    return st;
}

static cn_status open_pipe(struct run *r, int which, struct cn_err *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return cn_err_errno(err, "%s: pipe", r->program);
    r->ours[which] = ends[which == IN ? 1 : 0];
    r->theirs[which] = ends[which == IN ? 0 : 1];
    if (fcntl(r->ours[which], F_SETFL, O_NONBLOCK) != 0)
        return cn_err_errno(err, "%s: pipe", r->program);
    return CN_OK;
}

static cn_status start_run(struct run *r, const struct cn_proc_opts *o, struct cn_err *err)
{
    struct cn_proc_opts with_pipes = *o;
    cn_status st = CN_OK;

    if (r->input && (st = open_pipe(r, IN, err)) != CN_OK)
        return st;
    for (int i = OUT; i <= ERR; i++)
        if (r->into[i] && (st = open_pipe(r, i, err)) != CN_OK)
            return st;
    if (r->input)
        with_pipes.stdin_fd = r->theirs[IN];
    if (r->into[OUT])
        with_pipes.stdout_fd = r->theirs[OUT];
    else if (o->stdout_fd < 0)
        with_pipes.stdout_fd = FD_NULL;
    if (r->into[ERR])
        with_pipes.stderr_fd = r->theirs[ERR];
    else if (o->stderr_fd < 0)
        with_pipes.stderr_fd = FD_NULL;
    return spawn(&with_pipes, true, &r->pid, err);
}

cn_status cn_proc_run(const struct cn_proc_opts *o, const char *input, size_t input_n,
                      int64_t timeout_ms, struct cn_buf *opt_stdout, struct cn_buf *opt_stderr,
                      struct cn_proc_exit *out, struct cn_err *err)
{
    struct run r = {.o = o,
                    .program = o->argv[0],
                    .input = input,
                    .input_n = input_n,
                    .into = {NULL, opt_stdout, opt_stderr},
                    .ours = {-1, -1, -1},
                    .theirs = {-1, -1, -1},
                    .pid = -1};
    int64_t deadline = real_ms() + (timeout_ms > 0 ? timeout_ms : 0);
    cn_status st;

    memset(out, 0, sizeof *out);
    st = start_run(&r, o, err);
    for (int i = 0; i < 3; i++)
        close_fd(&r.theirs[i]);
    if (st == CN_OK)
        st = exchange(&r, deadline, timeout_ms, err);
    for (int i = 0; i < 3; i++)
        close_fd(&r.ours[i]);
    if (r.pid > 0 && st != CN_OK)
        cn_proc_kill_group(r.pid, 500);
    else if (r.pid > 0)
        st = cn_proc_wait(r.pid, -1, out, err);
    return st;
}

#include "base/banned.h"
