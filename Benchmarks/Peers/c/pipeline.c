// `child | tee file | reader`, the equivalent of kept output with one reader without a keeper, and the children of the
// session channel's benchmarks.
#include "channel.h"

#include <fcntl.h>
#include <sys/wait.h>

/// Writes all of the bytes to a blocking descriptor.
static void write_all(int descriptor, const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t done = write(descriptor, bytes, count);
        if (done < 0) exit(1);
        bytes += done, count -= (size_t)done;
    }
}

static char buffer[chunk_size];

void run_answer(void) {
    for (ssize_t count; (count = read(0, buffer, sizeof buffer)) > 0;) write_all(1, buffer, (size_t)count);
}

void run_flood(void) {
    char line[256];
    for (size_t i = 0; i < sizeof buffer; i++) buffer[i] = i % 64 == 63 ? '\n' : 'x';
    while (fgets(line, sizeof line, stdin)) {
        for (uint64_t left = strtoull(line, NULL, 10); left > 0;) {
            size_t part = left < sizeof buffer ? left : sizeof buffer;
            write_all(1, buffer, part);
            left -= part;
        }
    }
}

void run_tee(const char *path) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK_ERRNO(file);
    for (ssize_t count; (count = read(0, buffer, sizeof buffer)) > 0;) {
        write_all(file, buffer, (size_t)count);
        write_all(1, buffer, (size_t)count);
    }
}

/// Starts a part of the pipeline in a process of its own, with these descriptors as stdin and stdout.
static pid_t start_part(int in, int out, const char *path) {
    pid_t pid = fork();
    CHECK_ERRNO(pid);
    if (pid > 0) return pid;
    dup2(in, 0);
    dup2(out, 1);
    for (int number = 3; number < 16; number++) close(number);
    if (path) run_tee(path);
    else run_flood();
    _exit(0);
}

/// Makes the child write `bytes` bytes, and reads them.
static void read_part(int orders, int output, long bytes) {
    dprintf(orders, "%ld\n", bytes);
    while (bytes > 0) {
        ssize_t count = read(output, buffer, sizeof buffer);
        if (count <= 0) fail("read", "the output ends");
        bytes -= count;
    }
}

// usage: pipeline COUNT FILE. Measures the same as `output` with one reader.
void pipeline(long count, int argc, char **argv) {
    if (argc < 1) fail("pipeline", "usage: pipeline COUNT FILE");
    int orders[2], raw[2], copy[2];
    CHECK_ERRNO(pipe(orders));
    CHECK_ERRNO(pipe(raw));
    CHECK_ERRNO(pipe(copy));
    pid_t child = start_part(orders[0], raw[1], NULL), tee = start_part(raw[0], copy[1], argv[0]);
    close(orders[0]), close(raw[0]), close(raw[1]), close(copy[1]);
    read_part(orders[1], copy[0], chunk_size);
    uint64_t begin = now();
    for (long left = count; left > 0; left -= chunks_at_a_time) {
        read_part(orders[1], copy[0], (left < chunks_at_a_time ? left : chunks_at_a_time) * chunk_size);
    }
    report("pipeline", count, now() - begin, "");
    close(orders[1]);
    waitpid(child, NULL, 0);
    waitpid(tee, NULL, 0);
    unlink(argv[0]);
}
