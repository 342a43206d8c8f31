/* The supervisor. See supervise.h.
 *
 * Contents: 1 output, 2 the clock of the end, 3 reaping, 4 starting, 5 the loop,
 * 6 the second stage
 */
#include "harness/exec/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/text.h"
#include "harness/exec/job.h"

/* ------------------------------------------------------------------ 1 output */

enum { TAIL_BYTES = 4 << 20, LONGEST_WAIT_MS = 3600000 };

/* stdout.log: the head goes straight to the file; beyond it the last TAIL_BYTES wait in a ring
 * and are written at the end behind a line that says how much is missing. A supervisor that is
 * killed loses the ring only. */
struct log {
    int fd;         /* owned */
    size_t written; /* bytes of the head on disk */
    char *ring;     /* owned; NULL until the head is full */
    size_t ring_total;
    int64_t unwritten; /* bytes the disk refused; the trainer must not be blocked by them */
};

static void log_write(struct log *l, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t k = write(l->fd, bytes, n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0) {
            l->unwritten += (int64_t)n;
            return;
        }
        bytes += k;
        n -= (size_t)k;
    }
}

static void log_add(struct log *l, const char *bytes, size_t n)
{
    const size_t head = CN_CAP_STDOUT_LOG - TAIL_BYTES - 256;
    size_t now = l->written + n <= head ? n : head - l->written;

    log_write(l, bytes, now);
    l->written += now;
    bytes += now;
    n -= now;
    if (n > 0 && !l->ring)
        l->ring = cn_alloc(TAIL_BYTES, 1);
    for (size_t i = 0; i < n && l->ring; i++)
        l->ring[(l->ring_total + i) % TAIL_BYTES] = bytes[i];
    l->ring_total += n;
}

static void log_finish(struct log *l)
{
    if (l->ring_total > 0) {
        size_t kept = !l->ring ? 0 : l->ring_total < TAIL_BYTES ? l->ring_total : TAIL_BYTES;
        size_t start = (l->ring_total - kept) % TAIL_BYTES;
        size_t first = kept < TAIL_BYTES - start ? kept : TAIL_BYTES - start;
        char note[160];
        int n =
            snprintf(note, sizeof note, "\n[cairn-job: %zu bytes of output left out here]\n",
                     l->ring_total - kept);

        log_write(l, note, (size_t)n);
        if (kept > 0) {
            log_write(l, l->ring + start, first);
            log_write(l, l->ring, kept - first);
        }
    }
    (void)fsync(l->fd); /* evidence for people; exit.json does not depend on it */
    (void)close(l->fd);
    cn_free(l->ring);
}

/* Read what is in the pipe now. False at its end. */
static bool log_pump(struct log *l, int fd)
{
    char chunk[65536];

    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);

        if (n > 0)
            log_add(l, chunk, (size_t)n);
        else if (n == 0)
            return false;
        else if (errno != EINTR)
            return errno == EAGAIN;
    }
}

/* ------------------------------------------------------------------ 2 the clock of the end */

struct job {
    const struct cn_supervise_opts *o;
    struct cn_job_exit end;
    struct log log;
    int lock_fd, signal_fd, pipe_fd; /* owned, -1 when closed */
    pid_t pid;                       /* the trainer: leads its session and group */
    bool main_done;
    bool asked;                /* SIGTERM was sent to the group */
    int64_t start_us, kill_us; /* monotonic; kill_us: when SIGKILL follows, 0 = not asked */
    int64_t oom_before;
    struct cn_err *err;
};

static void ask_to_end(struct job *j, cn_job_ended why)
{
    if (!j->asked) {
        j->asked = true;
        j->end.ended = why;
        j->kill_us = cn_clock_mono_us() + (int64_t)(j->o->grace_s * 1e6);
        (void)kill(-j->pid, SIGTERM);
    } else if (why == CN_JOB_CANCELLED) {
        j->kill_us = cn_clock_mono_us(); /* asked twice: now */
    }
}

/* Milliseconds until the next thing this clock must do; acts on what is due. */
static int tend_clock(struct job *j)
{
    int64_t now = cn_clock_mono_us(), due;
    double deadline = j->o->deadline_s;

    if (!j->asked && deadline > 0 && (double)(now - j->start_us) >= deadline * 1e6)
        ask_to_end(j, CN_JOB_DEADLINE);
    if (j->asked && now >= j->kill_us) {
        (void)kill(-j->pid, SIGKILL);
        return 50;
    }
    if (j->asked)
        due = j->kill_us;
    else if (deadline > 0)
        due = j->start_us + (int64_t)(deadline * 1e6);
    else
        return -1;
    due = (due - now) / 1000 + 1;
    return due > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : (int)due;
}

/* oom_kill of our cgroup's memory.events (cgroup v2), or 0 where there is none to read. */
static int64_t oom_kills(void)
{
    char line[512] = "", path[640];
    int64_t count = 0;
    FILE *f = fopen("/proc/self/cgroup", "re");

    if (!f)
        return 0;
    while (fgets(line, sizeof line, f) && strncmp(line, "0::", 3) != 0)
        line[0] = '\0';
    (void)fclose(f);
    line[strcspn(line, "\n")] = '\0';
    cn_text_format(path, sizeof path, "/sys/fs/cgroup%s/memory.events",
                   line[0] ? line + 3 : "");
    f = fopen(path, "re");
    if (!f)
        return 0;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "oom_kill ", 9) == 0)
            count = strtoll(line + 9, NULL, 10);
    (void)fclose(f);
    return count;
}

/* ------------------------------------------------------------------ 3 reaping */

static void note_end(struct job *j, int status)
{
    j->main_done = true;
    j->end.wait_status = status;
    if (WIFEXITED(status))
        j->end.code = WEXITSTATUS(status);
    else
        j->end.signal = WTERMSIG(status);
    if (!j->asked)
        j->end.ended = WIFEXITED(status) ? CN_JOB_EXITED : CN_JOB_SIGNALED;
}

/* Reap what has ended. False when no child is left. */
static bool reap(struct job *j)
{
    for (;;) {
        struct rusage ru;
        int status;
        pid_t p = wait4(-1, &status, WNOHANG, &ru);

        if (p == 0)
            return true;
        if (p < 0 && errno != EINTR)
            return false;
        if (p <= 0)
            continue;
        j->end.user_s += (double)ru.ru_utime.tv_sec + 1e-6 * (double)ru.ru_utime.tv_usec;
        j->end.system_s += (double)ru.ru_stime.tv_sec + 1e-6 * (double)ru.ru_stime.tv_usec;
        if (ru.ru_maxrss > j->end.max_rss_kib)
            j->end.max_rss_kib = ru.ru_maxrss;
        if (p == j->pid)
            note_end(j, status);
    }
}

/* The story: the trainer has ended, but something it started has not (a data loader, a
 * daemon that left the group with setsid). As subreaper we are the parent of all of them by
 * now. Kill the group, then everything that still carries our mark, until wait says there is
 * nobody left. */
static void sweep(struct job *j)
{
    for (int round = 0; reap(j); round++) {
        (void)kill(-j->pid, SIGKILL);
        (void)cn_job_kill_leftovers(j->o->dir, j->o->token, j->o->attempt);
        cn_clock_sleep_ms(round < 20 ? 5 : 100);
    }
}

/* ------------------------------------------------------------------ 4 starting */

static cn_status remove_file(const char *dir, const char *name, struct cn_err *err)
{
    char *path = cn_file_join(dir, name);
    cn_status st = CN_OK;

    if (!path)
        st = cn_err_set(err, CN_ENOMEM, "%s/%s: no memory for its path", dir, name);
    else if (unlink(path) != 0 && errno != ENOENT)
        st = cn_err_errno(err, "%s: cannot remove what an earlier attempt left", path);
    cn_free(path);
    return st;
}

/* A supervisor that was started long ago and runs only now must not undo what a later one
 * did. */
static cn_status refuse_if_late(const struct cn_supervise_opts *o, struct cn_err *err)
{
    struct cn_job_start s;
    struct cn_job_exit x;
    cn_status st = cn_job_exit_read(o->dir, &x, err);

    if (st == CN_OK && x.attempt >= o->attempt)
        return cn_err_set(err, CN_ELOCKED, "%s: attempt %lld has ended already", o->dir,
                          (long long)x.attempt);
    /* An exit.json that is not ours is replaced. */
    if (st != CN_OK && st != CN_ENOTFOUND && st != CN_EINPUT)
        return st;
    st = cn_job_start_read(o->dir, &s, err);
    if (st == CN_OK && s.attempt >= o->attempt)
        return cn_err_set(err, CN_ELOCKED, "%s: attempt %lld has started already", o->dir,
                          (long long)s.attempt);
    return st == CN_OK || st == CN_ENOTFOUND || st == CN_EINPUT ? CN_OK : st;
}

static cn_status take_lock(struct job *j)
{
    char *path = cn_file_join(j->o->dir, "job.lock");
    cn_status st;

    if (!path)
        return cn_err_set(j->err, CN_ENOMEM, "%s: no memory for the path of its lock",
                          j->o->dir);
    st = cn_file_lock(path, 0, &j->lock_fd, j->err);
    cn_free(path);
    return st;
}

/* The folder is ours: take the results of earlier attempts away, so that they cannot be read as
 * this one's, and say who we are. */
static cn_status claim(struct job *j)
{
    static const char *const stale[] = {"exit.json", "result.json", "progress.json",
                                        "start_error.txt"};
    struct cn_job_start s;
    cn_status st = refuse_if_late(j->o, j->err);

    for (size_t i = 0; st == CN_OK && i < sizeof stale / sizeof stale[0]; i++)
        st = remove_file(j->o->dir, stale[i], j->err);
    if (st != CN_OK)
        return st;
    memset(&s, 0, sizeof s);
    cn_job_whoami(&s);
    cn_text_copy(s.token, sizeof s.token, j->o->token);
    s.attempt = j->o->attempt;
    cn_clock_iso(cn_clock_now_ms(), s.started);
    cn_text_copy(j->end.token, sizeof j->end.token, s.token);
    cn_text_copy(j->end.host, sizeof j->end.host, s.host);
    cn_text_copy(j->end.started, sizeof j->end.started, s.started);
    j->end.attempt = s.attempt;
    return cn_job_start_write(j->o->dir, &s, j->err);
}

static cn_status open_log(struct job *j)
{
    char *path = cn_file_join(j->o->dir, "stdout.log");
    cn_status st = CN_OK;

    if (!path)
        return cn_err_set(j->err, CN_ENOMEM, "%s: no memory for the path of its log",
                          j->o->dir);
    j->log.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (j->log.fd < 0)
        st = cn_err_errno(j->err, "%s: cannot write the training's output there", path);
    cn_free(path);
    return st;
}

static cn_status watch_signals(struct job *j)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return cn_err_errno(j->err, "cannot block signals");
    j->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (j->signal_fd < 0)
        return cn_err_errno(j->err, "cannot watch signals");
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
        return cn_err_errno(j->err, "cannot become the parent of orphans");
    return CN_OK;
}

/* The words of the second stage: our own program, then the trainer with its path resolved.
 * Owned by the caller. */
static const char **second_stage(const struct cn_supervise_opts *o, const char *self,
                                 const char *program, char numbers[2][32])
{
    int n = 0, k = 0;
    const char **argv;

    while (o->argv[n])
        n++;
    argv = cn_alloc((size_t)n + 8, sizeof *argv);
    if (!argv)
        return NULL;
    cn_text_format(numbers[0], 32, "%ld", (long)getpid());
    cn_text_format(numbers[1], 32, "%lld", (long long)o->memory_mib);
    argv[k++] = self;
    argv[k++] = "--become";
    argv[k++] = o->dir;
    argv[k++] = numbers[0];
    argv[k++] = numbers[1];
    argv[k++] = o->cpus;
    argv[k++] = program;
    for (int i = 1; i < n; i++)
        argv[k++] = o->argv[i];
    return argv;
}

static cn_status spawn(struct job *j, const char *self, const char *program, int out_fd)
{
    struct cn_proc_opts p = CN_PROC_OPTS_INIT;
    char mark[CN_JOB_MARK_TEXT], numbers[2][32];
    const char *env[] = {mark, NULL};
    const char **argv = second_stage(j->o, self, program, numbers);
    char **secrets = cn_job_secret_names();
    cn_status st;

    p.argv = argv;
    p.cwd = j->o->dir;
    p.env = env;
    p.env_remove = (const char *const *)secrets;
    p.new_session = true;
    p.stdout_fd = p.stderr_fd = out_fd;
    p.keep_fd = j->lock_fd;
    if (!*cn_job_mark(j->o->dir, j->o->token, j->o->attempt, mark))
        st = cn_err_errno(j->err, "%s: cannot be looked at", j->o->dir);
    else if (!argv || !secrets)
        st = cn_err_set(j->err, CN_ENOMEM, "no memory to start %s", program);
    else
        st = cn_proc_spawn(&p, &j->pid, j->err);
    cn_job_names_free(secrets);
    cn_free(argv);
    return st;
}

static cn_status start(struct job *j)
{
    char *program = cn_proc_which(j->o->argv[0]);
    int fds[2] = {-1, -1};
    cn_status st = CN_OK;

    if (!program)
        st = cn_err_set(j->err, CN_ENOTFOUND, "%s: no such program", j->o->argv[0]);
    else if (pipe2(fds, O_CLOEXEC) != 0)
        st = cn_err_errno(j->err, "cannot make a pipe for the training's output");
    else if (fcntl(fds[0], F_SETFL, O_NONBLOCK) != 0)
        st = cn_err_errno(j->err, "cannot read the training's output without waiting");
    if (st == CN_OK)
        st = spawn(j, "/proc/self/exe", program, fds[1]);
    if (fds[1] >= 0)
        (void)close(fds[1]);
    if (st == CN_OK)
        j->pipe_fd = fds[0];
    else if (fds[0] >= 0)
        (void)close(fds[0]);
    cn_free(program);
    return st;
}

/* ------------------------------------------------------------------ 5 the loop */

static void take_signals(struct job *j)
{
    struct signalfd_siginfo si;

    while (read(j->signal_fd, &si, sizeof si) == (ssize_t)sizeof si)
        if (si.ssi_signo != SIGCHLD)
            ask_to_end(j, CN_JOB_CANCELLED);
    (void)reap(j);
}

static void watch(struct job *j)
{
    while (!j->main_done) {
        struct pollfd p[2] = {{j->signal_fd, POLLIN, 0}, {j->pipe_fd, POLLIN, 0}};
        int wait_ms = tend_clock(j);

        if (poll(p, 2, wait_ms) < 0 && errno != EINTR)
            cn_clock_sleep_ms(50);
        if (p[1].revents && !log_pump(&j->log, j->pipe_fd)) {
            (void)close(j->pipe_fd);
            j->pipe_fd = -1; /* poll skips it; the trainer may live on without output */
        }
        take_signals(j);
    }
}

/* The second stage leaves its reason in start_error.txt when it could not become the
 * trainer. */
static void read_start_error(struct job *j)
{
    char *path = cn_file_join(j->o->dir, "start_error.txt");
    struct cn_buf b;

    cn_buf_init(&b, CN_ERR_TEXT - 1);
    if (path && cn_file_exists(path) &&
        cn_file_read(path, CN_ERR_TEXT - 1, &b, NULL) == CN_OK) {
        j->end.ended = CN_JOB_START_FAILED;
        cn_text_copy(j->end.message, sizeof j->end.message, cn_buf_str(&b));
    }
    cn_buf_clear(&b);
    cn_free(path);
}

/* exit.json is what everybody waits for: on a full disk keep trying for an hour, holding the
 * lock. */
static cn_status write_end(struct job *j)
{
    cn_status st;

    cn_clock_iso(cn_clock_now_ms(), j->end.finished);
    j->end.seconds = 1e-6 * (double)(cn_clock_mono_us() - j->start_us);
    j->end.oom_kills = oom_kills() - j->oom_before;
    st = cn_job_exit_write(j->o->dir, &j->end, j->err);
    for (int i = 0; st == CN_ENOSPC && i < 3600; i++) {
        cn_clock_sleep_ms(1000);
        st = cn_job_exit_write(j->o->dir, &j->end, j->err);
    }
    return st;
}

static void run_started(struct job *j)
{
    watch(j);
    sweep(j);
    if (j->pipe_fd >= 0) {
        (void)log_pump(&j->log, j->pipe_fd);
        (void)close(j->pipe_fd);
        j->pipe_fd = -1;
    }
    read_start_error(j);
}

cn_status cn_supervise(const struct cn_supervise_opts *o, struct cn_err *err)
{
    struct cn_err local = CN_ERR_INIT;
    struct job j;
    cn_status st;

    memset(&j, 0, sizeof j);
    j.o = o;
    j.err = err ? err : &local;
    j.log.fd = j.lock_fd = j.signal_fd = j.pipe_fd = -1;
    st = take_lock(&j);
    if (st == CN_OK)
        st = watch_signals(&j); /* before job.json names us: from then on we may be cancelled */
    if (st == CN_OK)
        st = claim(&j);
    if (st == CN_OK)
        st = open_log(&j);
    if (st == CN_OK) {
        j.oom_before = oom_kills();
        j.start_us = cn_clock_mono_us();
        st = start(&j);
        if (st == CN_OK) {
            run_started(&j);
        } else { /* a job that could not start has ended, and says so */
            j.end.ended = CN_JOB_START_FAILED;
            cn_text_copy(j.end.message, sizeof j.end.message, j.err->text);
        }
        log_finish(&j.log);
        j.log.fd = -1;
        st = write_end(&j);
    }
    if (j.log.fd >= 0)
        (void)close(j.log.fd);
    if (j.signal_fd >= 0)
        (void)close(j.signal_fd);
    cn_file_unlock(j.lock_fd);
    return st;
}

/* ------------------------------------------------------------------ 6 the second stage */

static cn_status set_cpus(const char *cpus, struct cn_err *err)
{
    cpu_set_t set;
    const char *p = cpus;

    CPU_ZERO(&set);
    while (*p) {
        char *end;
        long cpu = strtol(p, &end, 10);

        if (end == p || cpu < 0 || cpu >= CPU_SETSIZE || (*end && *end != ','))
            return cn_err_set(err, CN_EINPUT,
                              "--cpus %s: expected processor numbers separated by commas",
                              cpus);
        CPU_SET((int)cpu, &set);
        p = *end ? end + 1 : end;
    }
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        return cn_err_errno(err, "--cpus %s: these processors cannot be used here", cpus);
    return CN_OK;
}

static cn_status set_limits(int64_t memory_mib, const char *cpus, struct cn_err *err)
{
    struct rlimit core = {0, 0};

    (void)setrlimit(RLIMIT_CORE, &core); /* a crash of the training is recorded, not dumped */
    if (memory_mib > 0) {
        struct rlimit as = {(rlim_t)memory_mib << 20, (rlim_t)memory_mib << 20};

        if (setrlimit(RLIMIT_AS, &as) != 0)
            return cn_err_errno(err, "cannot limit the memory to %lld MiB",
                                (long long)memory_mib);
    }
    return cpus[0] ? set_cpus(cpus, err) : CN_OK;
}

cn_status cn_supervise_become(const char *dir, pid_t supervisor, int64_t memory_mib,
                              const char *cpus, char *const *argv, struct cn_err *err)
{
    char *path;
    cn_status st = CN_OK;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        st = cn_err_errno(err, "cannot ask to die with the supervisor");
    else if (getppid() != supervisor) /* it died before we could ask */
        _exit(1);
    if (st == CN_OK)
        st = set_limits(memory_mib, cpus, err);
    if (st == CN_OK) {
        (void)execv(argv[0], argv);
        st = cn_err_errno(err, "%s: cannot run it", argv[0]);
    }
    path = cn_file_join(dir, "start_error.txt");
    if (path && err && cn_file_replace(path, err->text, strlen(err->text), NULL) != CN_OK)
        /* stderr is the job's stdout.log. */
        (void)fprintf(stderr, "cairn-job: cannot write %s\n", path);
    cn_free(path);
    return st;
}
