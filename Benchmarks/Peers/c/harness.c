// Measurements of keepers from outside, the same for every peer: load for one, starts and memory of many, and a fleet
// of keepers that exist on disk only.
#include "peer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

extern char **environ;

/// Returns a connected socket, or -1.
static int connect_to(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_ERRNO(descriptor);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0) return descriptor;
    close(descriptor);
    return -1;
}

uint64_t cpu_time(const char *pid) {
    char path[600];
    snprintf(path, sizeof path, "/proc/%s/task", pid);
    DIR *tasks = opendir(path);
    if (!tasks) fail(path, NULL);
    uint64_t sum = 0;
    for (struct dirent *task; (task = readdir(tasks));) {
        if (task->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/%s/task/%s/schedstat", pid, task->d_name);
        FILE *file = fopen(path, "re");
        unsigned long long time = 0;
        if (!file) continue;
        if (fscanf(file, "%llu", &time) == 1) sum += time;
        fclose(file);
    }
    closedir(tasks);
    return sum;
}

// Load

enum { buffer_size = 65536, patience = 60000 };

/// Sends `lines` lines of `size` bytes, spread over the connections, as fast as they are taken; closes at the end.
static void send_lines(const char *path, int connections, long lines, int size) {
    static char buffer[buffer_size];
    for (int i = 0; i < buffer_size; i++) buffer[i] = i % size == size - 1 ? '\n' : 'x';
    struct pollfd all[connections];
    long left[connections], whole = buffer_size / size * size;
    for (int i = 0; i < connections; i++) {
        all[i] = (struct pollfd){.fd = connect_to(path), .events = POLLOUT};
        if (all[i].fd < 0) fail(path, NULL);
        left[i] = (lines / connections + (i < lines % connections)) * size;
    }
    for (int open = connections; open > 0;) {
        int ready = poll(all, (nfds_t)connections, patience);
        CHECK_ERRNO(ready);
        if (ready == 0) fail("feed", "the keeper takes no more lines");
        for (int i = 0; i < connections; i++) {
            if (all[i].fd < 0 || !all[i].revents) continue;
            long offset = (size - left[i] % size) % size, most = whole - offset;
            ssize_t taken = send(all[i].fd, buffer + offset, (size_t)(left[i] < most ? left[i] : most), MSG_DONTWAIT);
            if (taken < 0 && errno != EAGAIN) fail("send", NULL);
            if (taken > 0) left[i] -= taken;
            if (left[i] > 0) continue;
            close(all[i].fd);
            all[i].fd = -1;
            open--;
        }
    }
}

/// Sends lines until the child has reported `parts` times that it got its share.
static void send_parts(char **argv, int fifo, long lines, long parts) {
    send_lines(argv[0], atoi(argv[3]), lines, atoi(argv[4]));
    for (char byte; parts > 0; parts--) {
        struct pollfd done = {.fd = fifo, .events = POLLIN};
        if (poll(&done, 1, patience) != 1 || read(fifo, &byte, 1) != 1) fail("feed", "the child did not get every line");
    }
}

// usage: feed LINES SOCKET FIFO PID CONNECTIONS SIZE PARTS. LINES is a multiple of PARTS, and the keeper's child is
// `sink FIFO BYTES` with the bytes of one part. One part warms up; then all lines are sent and measured in one piece.
void feed(long count, int argc, char **argv) {
    if (argc < 6) fail("feed", "usage: feed LINES SOCKET FIFO PID CONNECTIONS SIZE PARTS");
    int fifo = open(argv[1], O_RDWR | O_CLOEXEC);
    CHECK_ERRNO(fifo);
    long parts = atol(argv[5]);
    if (parts < 1 || count % parts != 0) fail("feed", "LINES is no multiple of PARTS");
    send_parts(argv, fifo, count / parts, 1);
    uint64_t cpu = cpu_time(argv[2]), begin = uv_hrtime();
    send_parts(argv, fifo, count, parts);
    uint64_t time = uv_hrtime() - begin;
    cpu = cpu_time(argv[2]) - cpu;
    report("feed", count, time, ",\"parts\":{\"cpu\":%.2f}", (double)cpu / (double)count);
}

void run_sink(int argc, char **argv) {
    static char buffer[1 << 20];
    long expected = argc > 1 ? atol(argv[1]) : 0, received = 0;
    int fifo = argc > 1 ? open(argv[0], O_RDWR) : -1;
    if (fifo >= 0) fcntl(0, F_SETPIPE_SZ, 65536);
    for (ssize_t count; (count = read(0, buffer, sizeof buffer)) > 0;) {
        received += count;
        for (; fifo >= 0 && received >= expected; received -= expected) {
            if (write(fifo, "x", 1) != 1) fail("write", NULL);
        }
    }
}

// Starts

struct memory {
    long rss, pss, private;
};

static void add_memory(struct memory *sum, pid_t pid) {
    char path[64], name[64];
    long value;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file) fail(path, NULL);
    for (char text[256]; fgets(text, sizeof text, file);) {
        if (sscanf(text, "%63[^:]: %ld", name, &value) != 2) continue;
        if (strcmp(name, "Rss") == 0) sum->rss += value;
        if (strcmp(name, "Pss") == 0) sum->pss += value;
        if (strcmp(name, "Private_Clean") == 0 || strcmp(name, "Private_Dirty") == 0) sum->private += value;
    }
    fclose(file);
}

/// Returns a copy of `text` with `{}` replaced by `number`.
static char *with_number(const char *text, long number) {
    char *result = malloc(strlen(text) + 32), *hole = strstr(text, "{}");
    if (!hole) return strcpy(result, text);
    sprintf(result, "%.*s%ld%s", (int)(hole - text), text, number, hole + 2);
    return result;
}

/// The running keepers; 0 for one that has ended. Keepers have sessions of their own, so that no terminal ends them.
static volatile pid_t *keepers;
static volatile long keeper_count;

/// Asks every keeper to end, and kills those that run after 5 s. Safe in a signal handler.
static void end_keepers(void) {
    for (long i = 0; i < keeper_count; i++) {
        if (keepers[i] > 0) kill(keepers[i], SIGTERM);
    }
    for (int turn = 0, left = 1; left > 0 && turn <= 1000; turn++) {
        left = 0;
        for (long i = 0; i < keeper_count; i++) {
            if (keepers[i] <= 0) continue;
            if (turn == 1000) kill(-keepers[i], SIGKILL);
            if (waitpid(keepers[i], NULL, turn == 1000 ? 0 : WNOHANG) == 0) left++;
            else keepers[i] = 0;
        }
        if (left > 0) poll(NULL, 0, 5);
    }
}

/// Ends the keepers, and then this process by the same signal.
static void interrupted(int number) {
    end_keepers();
    signal(number, SIG_DFL);
    raise(number);
}

static const int interrupts[] = {SIGHUP, SIGINT, SIGTERM};
enum { interrupt_count = sizeof interrupts / sizeof *interrupts };

/// Makes sure that no keeper is left behind from now on, neither by a signal nor by `fail`, which ends with `exit`.
static void watch_keepers(pid_t *pids, long count) {
    keepers = pids;
    keeper_count = count;
    atexit(end_keepers);
    struct sigaction action = {.sa_handler = interrupted};
    // Signals are handled one at a time: a second one waits for the end that the first brings.
    for (int i = 0; i < interrupt_count; i++) sigaddset(&action.sa_mask, interrupts[i]);
    for (int i = 0; i < interrupt_count; i++) CHECK_ERRNO(sigaction(interrupts[i], &action, NULL));
}

/// Starts a keeper and puts its pid into `*pid`. Signals wait meanwhile, so that a keeper is known as soon as it runs.
static void start_one(pid_t *pid, long number, int argc, char **argv) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    for (int i = 0; i < 3; i++) posix_spawn_file_actions_addopen(&actions, i, "/dev/null", O_RDWR, 0);
    posix_spawnattr_init(&attributes);
    sigset_t held, before;
    sigemptyset(&held);
    for (int i = 0; i < interrupt_count; i++) sigaddset(&held, interrupts[i]);
    sigprocmask(SIG_BLOCK, &held, &before);
    posix_spawnattr_setsigmask(&attributes, &before);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
    char *arguments[argc + 1];
    for (int i = 0; i < argc; i++) arguments[i] = with_number(argv[i], number);
    arguments[argc] = NULL;
    pid_t started;
    errno = posix_spawnp(&started, arguments[0], &actions, &attributes, arguments, environ);
    if (errno != 0) fail(arguments[0], NULL);
    *pid = started;
    sigprocmask(SIG_SETMASK, &before, NULL);
    for (int i = 0; i < argc; i++) free(arguments[i]);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
}

// usage: start COUNT SOCKET SETTLE_MS COMMAND...; `{}` in SOCKET and COMMAND is the number of the keeper. Starts all at
// once, waits until each accepts, lets them settle, and measures their memory (KiB, mean of one keeper). `ns_per_op` is
// the time from the first start to the last socket; the parts are medians and maxima over the keepers, in ns.
void start(long count, int argc, char **argv) {
    if (argc < 3) fail("start", "usage: start COUNT SOCKET SETTLE_MS COMMAND...");
    // The pids are on the heap, since `exit` runs after `start` has returned.
    pid_t *pids = calloc((size_t)count, sizeof *pids);
    watch_keepers(pids, count);
    uint64_t started[count], ready[count];
    started[0] = uv_hrtime();
    for (long i = 0; i < count; i++) {
        started[i] = uv_hrtime();
        start_one(&pids[i], i, argc - 2, argv + 2);
        ready[i] = 0;
    }
    for (long left = count; left > 0; usleep(count == 1 ? 50 : 500)) {
        for (long i = 0; i < count; i++) {
            if (ready[i]) continue;
            char *path = with_number(argv[0], i);
            int descriptor = connect_to(path);
            free(path);
            if (descriptor < 0) continue;
            close(descriptor);
            ready[i] = uv_hrtime() - started[i];
            left--;
        }
        if (uv_hrtime() - started[0] > 60000000000) fail("start", "not every keeper has published its socket");
    }
    uint64_t all = uv_hrtime() - started[0];
    usleep((useconds_t)atol(argv[1]) * 1000);
    struct memory sum = {0, 0, 0};
    for (long i = 0; i < count; i++) add_memory(&sum, pids[i]);
    end_keepers();
    uint64_t middle = median(ready, count);
    report("start", 1, all, ",\"parts\":{\"median\":%llu,\"max\":%llu,\"rss\":%ld,\"pss\":%ld,\"private\":%ld}",
           (unsigned long long)middle, (unsigned long long)ready[count - 1], sum.rss / count, sum.pss / count,
           sum.private / count);
}

// usage: fleet COUNT DIRECTORY. Makes the files of COUNT keepers, with locked pid files and listening sockets, all held
// by this process; prints a line when done; removes them when its stdin ends.
void fleet(long count, int argc, char **argv) {
    if (argc < 1) fail("fleet", "a directory is needed");
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &limit));
    char path[600];
    for (long i = 0; i < count; i++) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof address.sun_path, "%s/s%ld.rpc.sock", argv[0], i);
        int listener = socket(AF_UNIX, SOCK_STREAM, 0);
        CHECK_ERRNO(listener);
        CHECK_ERRNO(bind(listener, (struct sockaddr *)&address, sizeof address));
        CHECK_ERRNO(listen(listener, 16));
        const char *endings[] = {"pid", "pi-pid"};
        for (int k = 0; k < 2; k++) {
            snprintf(path, sizeof path, "%s/s%ld.rpc.sock.%s", argv[0], i, endings[k]);
            int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
            CHECK_ERRNO(file);
            dprintf(file, "%d\n", (int)getpid());
            struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
            if (k == 0) CHECK_ERRNO(fcntl(file, F_SETLK, &lock));
            else close(file);
        }
    }
    report("fleet", count, 1, "");
    while (read(0, path, sizeof path) > 0) {}
    for (long i = 0; i < count; i++) {
        const char *endings[] = {"", ".pid", ".pi-pid"};
        for (int k = 0; k < 3; k++) {
            snprintf(path, sizeof path, "%s/s%ld.rpc.sock%s", argv[0], i, endings[k]);
            unlink(path);
        }
    }
}
