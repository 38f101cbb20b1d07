/*
 * The agent of L1: runs what the test on the outer machine asks for
 *
 *   agent REQUESTS [FILE PORT]...
 *
 * REQUESTS is a virtio-serial port. A request is a line "ID SECONDS SCRIPT",
 * with the script in base64; it is run by sh in a process group of its own,
 * which is killed after SECONDS. The reply is a line of JSON:
 *
 *   {"id": 1, "status": 0, "output": "..."}
 *
 * where a status above 128 is that of a signal, and -1 a timeout. Requests may
 * overlap. What is appended to a FILE goes to its PORT ten times a second, as a
 * write for each character would cost an exit each; a FILE that has become
 * shorter is read from its start.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_JOBS        16
#define MAX_FOLLOWED    4
#define FOLLOW_MS       100
/* A reply has at most this much of a script's output, from its end */
#define MAX_OUTPUT      (4 << 20)

typedef struct Job {
    pid_t pid;
    unsigned long id;
    time_t deadline;
    bool timed_out;
    int output;
} Job;

typedef struct Followed {
    const char *path;
    int port;
    off_t offset;
} Followed;

static Job jobs[MAX_JOBS];
static Followed followed[MAX_FOLLOWED];
static unsigned nr_followed;
static int requests;

static time_t now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec;
}

static void write_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno != EINTR) {
            return;
        }
        if (n > 0) {
            data += n;
            len -= n;
        }
    }
}

static void follow(Followed *f)
{
    char data[16384];
    struct stat st;
    ssize_t n;
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return;
    }
    if (!fstat(fd, &st) && st.st_size < f->offset) {
        f->offset = 0;
    }
    while ((n = pread(fd, data, sizeof(data), f->offset)) > 0) {
        write_all(f->port, data, n);
        f->offset += n;
    }
    close(fd);
}

static void follow_all(void)
{
    for (unsigned i = 0; i < nr_followed; i++) {
        follow(&followed[i]);
    }
}

/* Bytes above 0x7e are replaced: what a console printed need not be UTF-8 */
static size_t escape(char *to, const char *from, size_t len)
{
    char *start = to;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = from[i];

        if (c == '"' || c == '\\') {
            *to++ = '\\';
            *to++ = c;
        } else if (c == '\n') {
            *to++ = '\\';
            *to++ = 'n';
        } else if (c < 0x20 || c > 0x7e) {
            to += sprintf(to, "\\u%04x", c);
        } else {
            *to++ = c;
        }
    }
    return to - start;
}

static void reply(unsigned long id, int status, int output)
{
    off_t size = lseek(output, 0, SEEK_END), start = 0;
    char *data, *line;
    size_t len;
    ssize_t n;

    if (size > MAX_OUTPUT) {
        start = size - MAX_OUTPUT;
        size = MAX_OUTPUT;
    }
    data = malloc(size + 1);
    line = malloc(size * 6 + 128);
    if (!data || !line) {
        _exit(1);
    }
    n = pread(output, data, size, start);
    len = sprintf(line, "{\"id\": %lu, \"status\": %d, \"output\": \"", id,
                  status);
    len += escape(line + len, data, n > 0 ? n : 0);
    len += sprintf(line + len, "\"}\n");
    write_all(requests, line, len);
    free(line);
    free(data);
}

static void end_job(Job *job, int wstatus)
{
    int status = job->timed_out ? -1 : WIFEXITED(wstatus) ?
                 WEXITSTATUS(wstatus) : 128 + WTERMSIG(wstatus);

    /* What it wrote to a followed file comes before its status */
    follow_all();
    reply(job->id, status, job->output);
    close(job->output);
    job->pid = 0;
}

static void reap(void)
{
    int wstatus;
    pid_t pid;

    while ((pid = waitpid(-1, &wstatus, WNOHANG)) > 0) {
        for (unsigned i = 0; i < MAX_JOBS; i++) {
            if (jobs[i].pid == pid) {
                end_job(&jobs[i], wstatus);
            }
        }
    }
    for (unsigned i = 0; i < MAX_JOBS; i++) {
        if (jobs[i].pid && !jobs[i].timed_out && now() >= jobs[i].deadline) {
            jobs[i].timed_out = true;
            kill(-jobs[i].pid, SIGKILL);
        }
    }
}

static size_t decode(char *to, const char *from)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0, value = 0;
    size_t len = 0;

    for (; *from; from++) {
        const char *digit = strchr(digits, *from);

        if (!digit) {
            break;
        }
        value = value << 6 | (digit - digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            to[len++] = value >> bits;
        }
    }
    to[len] = '\0';
    return len;
}

static void run(Job *job, const char *script)
{
    job->output = memfd_create("output", MFD_CLOEXEC);
    job->pid = fork();
    if (job->pid) {
        setpgid(job->pid, job->pid);
        return;
    }
    setpgid(0, 0);
    dup2(open("/dev/null", O_RDONLY), 0);
    dup2(job->output, 1);
    dup2(job->output, 2);
    execl("/bin/sh", "sh", "-c", script, NULL);
    _exit(127);
}

static void start(char *line)
{
    unsigned long id, seconds;
    int used;

    if (sscanf(line, "%lu %lu %n", &id, &seconds, &used) < 2) {
        return;
    }
    for (unsigned i = 0; i < MAX_JOBS; i++) {
        if (!jobs[i].pid) {
            jobs[i] = (Job) { .id = id, .deadline = now() + seconds };
            decode(line, line + used);
            run(&jobs[i], line);
            return;
        }
    }
    fprintf(stderr, "agent: more than %d requests at once\n", MAX_JOBS);
}

/* Requests may come in pieces, or several at once */
static void read_requests(void)
{
    static char *buf;
    static size_t len, room;
    char *end;
    ssize_t n;

    if (room - len < 4096) {
        room = room ? room * 2 : 65536;
        buf = realloc(buf, room);
        if (!buf) {
            _exit(1);
        }
    }
    n = read(requests, buf + len, room - len - 1);
    if (n <= 0) {
        /* Nobody is connected */
        usleep(FOLLOW_MS * 1000);
        return;
    }
    len += n;
    buf[len] = '\0';
    while ((end = strchr(buf, '\n'))) {
        *end = '\0';
        start(buf);
        len -= end + 1 - buf;
        memmove(buf, end + 1, len + 1);
    }
}

static void on_child(int sig)
{
}

int main(int argc, char **argv)
{
    struct sigaction sa = { .sa_handler = on_child };

    if (argc < 2) {
        fprintf(stderr, "usage: agent REQUESTS [FILE PORT]...\n");
        return 2;
    }
    requests = open(argv[1], O_RDWR | O_CLOEXEC);
    if (requests < 0) {
        perror(argv[1]);
        return 1;
    }
    for (int i = 2; i + 1 < argc && nr_followed < MAX_FOLLOWED; i += 2) {
        Followed *f = &followed[nr_followed++];

        f->path = argv[i];
        f->port = open(argv[i + 1], O_WRONLY | O_CLOEXEC);
        if (f->port < 0) {
            perror(argv[i + 1]);
            return 1;
        }
    }
    /* A child's end interrupts poll() */
    sigaction(SIGCHLD, &sa, NULL);
    for (;;) {
        struct pollfd pfd = { .fd = requests, .events = POLLIN };

        if (poll(&pfd, 1, FOLLOW_MS) > 0) {
            read_requests();
        }
        reap();
        follow_all();
    }
}
