// Children, and directories of pid files.
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static uv_loop_t loop;
static long left, done;
static uint64_t *blocked;

static void begin_child(void);

static void freed(uv_handle_t *handle) { free(handle); }

static void ended(uv_process_t *process, int64_t status, int signal) {
    (void)signal;
    if (status != 0) fail("child", "it failed");
    uv_close((uv_handle_t *)process, freed);
    if (--left > 0) begin_child();
}

static void begin_child(void) {
    char *arguments[] = {"/bin/true", NULL};
    uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE}, {.flags = UV_IGNORE}, {.flags = UV_IGNORE}};
    uv_process_options_t options = {
        .file = arguments[0], .args = arguments, .exit_cb = ended, .stdio_count = 3, .stdio = stdio};
    uv_process_t *process = malloc(sizeof *process);
    uint64_t begin = uv_hrtime();
    CHECK(uv_spawn(&loop, process, &options));
    blocked[done++] = uv_hrtime() - begin;
}

/// Makes `mebibytes` MiB resident in pages of 4 KiB.
static void occupy(size_t mebibytes) {
    if (mebibytes == 0) return;
    char *memory = mmap(NULL, mebibytes << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("mmap", NULL);
    CHECK_ERRNO(madvise(memory, mebibytes << 20, MADV_NOHUGEPAGE));
    for (size_t i = 0; i < mebibytes << 20; i += 4096) memory[i] = 1;
}

static void run_children(long count) {
    left = count;
    done = 0;
    begin_child();
    uv_run(&loop, UV_RUN_DEFAULT);
}

// usage: spawn COUNT MEBIBYTES. Starts one child after another, after some to warm up; `block` is the median of the
// call alone.
void spawn(long count, int argc, char **argv) {
    occupy(argc > 0 ? (size_t)atol(argv[0]) : 0);
    long warm_up = 5;
    blocked = calloc((size_t)(count > warm_up ? count : warm_up), sizeof *blocked);
    CHECK(uv_loop_init(&loop));
    run_children(warm_up);
    uint64_t begin = uv_hrtime();
    run_children(count);
    uint64_t end = uv_hrtime();
    report("spawn", count, end - begin, ",\"parts\":{\"block\":%llu}", (unsigned long long)median(blocked, count));
    finish_loop(&loop);
}

static long read_pid(const char *path) {
    uv_fs_t request;
    int file = uv_fs_open(NULL, &request, path, O_RDONLY | O_CLOEXEC, 0, NULL);
    if (file < 0) return 0;
    char text[64];
    uv_buf_t buffer = uv_buf_init(text, sizeof text - 1);
    int size = uv_fs_read(NULL, &request, file, &buffer, 1, -1, NULL);
    uv_fs_close(NULL, &request, file, NULL);
    if (size <= 0) return 0;
    text[size] = 0;
    return atol(text);
}

static int ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length > tail && strcmp(text + length - tail, end) == 0;
}

/// True if the process has ended: a zombie's pidfd is readable.
static int is_zombie(long pid) {
    struct pollfd entry = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    int is_readable = entry.fd >= 0 && poll(&entry, 1, 0) == 1;
    close(entry.fd);
    return is_readable;
}

static int is_gone(long pid) { return kill((pid_t)pid, 0) == -1 && errno != EPERM; }

enum scan { SCAN_FILES, SCAN_KEEPERS, SCAN_CHILDREN };

/// Counts the pid files of a directory, or those whose process lives, or those whose child lives too.
static long scan_once(const char *directory, enum scan scan) {
    uv_fs_t request;
    uv_dirent_t entry;
    char path[4096];
    long found = 0;
    CHECK(uv_fs_scandir(NULL, &request, directory, 0, NULL));
    while (uv_fs_scandir_next(&request, &entry) == 0) {
        if (!ends_with(entry.name, ".rpc.sock.pid")) continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry.name);
        long pid = read_pid(path);
        if (pid <= 0) continue;
        if (scan >= SCAN_KEEPERS && is_gone(pid)) continue;
        if (scan == SCAN_CHILDREN) {
            snprintf(path + strlen(path) - 3, 8, "pi-pid");
            long child = read_pid(path);
            if (child > 0 && (is_gone(child) || is_zombie(child))) continue;
        }
        found++;
    }
    uv_fs_req_cleanup(&request);
    return found;
}

static void scan_repeatedly(const char *name, long count, int argc, char **argv, enum scan scan) {
    if (argc < 2) fail(name, "a directory and the number of pid files are needed");
    uint64_t begin = now();
    for (long i = 0; i < count; i++) {
        if (scan_once(argv[0], scan) != atol(argv[1])) fail(name, "not all pid files were found");
    }
    report(name, count, now() - begin, "");
}

// usage: scan COUNT DIRECTORY FILES. Lists, opens, reads, parses.
void scan(long count, int argc, char **argv) { scan_repeatedly("scan", count, argc, argv, SCAN_FILES); }

// usage: discovery COUNT DIRECTORY FILES. Also checks if the process lives, as the original does.
void discovery(long count, int argc, char **argv) { scan_repeatedly("discovery", count, argc, argv, SCAN_KEEPERS); }

// usage: discovery-children COUNT DIRECTORY FILES. Also checks if the child lives.
void discovery_children(long count, int argc, char **argv) {
    scan_repeatedly("discovery-children", count, argc, argv, SCAN_CHILDREN);
}
