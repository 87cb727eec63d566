// The benchmarks in plain C on libuv, and the tools that load and watch the keepers and servers of every peer.
//
// usage: peer NAME COUNT [ARGUMENTS]     one benchmark; prints one line of JSON
//        peer keeper SOCKET COMMAND...   a keeper: copies what clients send to the command's stdin
//        peer channel-keeper SOCKET BYTES COMMAND...
//                                        a keeper with the session channel, which keeps so much of the command's output
//        peer sink [FIFO BYTES]          a child: reads stdin; after each BYTES writes a byte to FIFO
//        peer answer                     a child: writes back what it reads
//        peer flood                      a child: reads a number a line, and writes so many bytes
//        peer serve KIND                 a server on a port; see servers.c
//        peer nothp COMMAND...           runs a command without transparent huge pages
#include "peer.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <time.h>

static const struct {
    const char *name;
    benchmark *run;
} benchmarks[] = {
    {"idle-tick", idle_tick},
    {"timers", timers},
    {"wakeup", wakeup},
    {"submit", submit},
    {"pipe-roundtrip", pipe_roundtrip},
    {"pipe-bulk", pipe_bulk},
    {"small-writes", small_writes},
    {"small-writes-each", small_writes_each},
    {"connect-cycle", connect_cycle},
    {"spawn", spawn},
    {"scan", scan},
    {"discovery", discovery},
    {"discovery-children", discovery_children},
    {"connect", connect_keeper},
    {"lines", channel_lines},
    {"ask", channel_ask},
    {"output", channel_output},
    {"pipeline", pipeline},
    {"feed", feed},
    {"start", start},
    {"fleet", fleet},
    {"load-echo", load_echo},
    {"load-upload", load_upload},
    {"load-download", load_download},
    {"load-accept", load_accept},
    {"load-udp", load_udp},
};

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    if (argc >= 2 && strcmp(argv[1], "sink") == 0) {
        run_sink(argc - 2, argv + 2);
        return 0;
    }
    if (argc >= 4 && strcmp(argv[1], "keeper") == 0) {
        run_keeper(argc - 2, argv + 2);
        return 0;
    }
    if (argc >= 5 && strcmp(argv[1], "channel-keeper") == 0) {
        run_channel_keeper(argc - 2, argv + 2);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "answer") == 0) {
        run_answer();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "flood") == 0) {
        run_flood();
        return 0;
    }
    if (argc >= 3 && strcmp(argv[1], "serve") == 0) {
        run_server(argv[2]);
        return 0;
    }
    if (argc >= 3 && strcmp(argv[1], "nothp") == 0) {
        CHECK_ERRNO(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
        execvp(argv[2], argv + 2);
        fail(argv[2], NULL);
    }
    for (size_t i = 0; argc >= 3 && i < sizeof benchmarks / sizeof *benchmarks; i++) {
        if (strcmp(argv[1], benchmarks[i].name) == 0) {
            benchmarks[i].run(atol(argv[2]), argc - 3, argv + 3);
            return 0;
        }
    }
    fprintf(stderr, "usage: peer NAME COUNT [ARGUMENTS]; names:");
    for (size_t i = 0; i < sizeof benchmarks / sizeof *benchmarks; i++) fprintf(stderr, " %s", benchmarks[i].name);
    fprintf(stderr, "\n");
    return 64;
}

void fail(const char *what, const char *why) {
    fprintf(stderr, "peer: %s: %s\n", what, why ? why : strerror(errno));
    exit(1);
}

uint64_t now(void) {
    const char *clock = getenv("UVBENCH_CLOCK");
    struct timespec time;
    clock_gettime(clock && strcmp(clock, "cpu") == 0 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

void report(const char *name, long count, uint64_t nanoseconds, const char *more, ...) {
    printf("{\"name\":\"%s\",\"count\":%ld,\"ns_per_op\":%.2f", name, count, (double)nanoseconds / (double)count);
    va_list arguments;
    va_start(arguments, more);
    vprintf(more, arguments);
    va_end(arguments);
    printf("}\n");
    fflush(stdout);
}

int compare_numbers(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

uint64_t median(uint64_t *numbers, long count) {
    qsort(numbers, (size_t)count, sizeof *numbers, compare_numbers);
    return numbers[count / 2];
}

void make_pair(uv_loop_t *loop, uv_pipe_t *a, uv_pipe_t *b) {
    uv_os_sock_t pair[2];
    CHECK(uv_socketpair(SOCK_STREAM, 0, pair, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE));
    CHECK(uv_pipe_init(loop, a, 0));
    CHECK(uv_pipe_open(a, pair[0]));
    CHECK(uv_pipe_init(loop, b, 0));
    CHECK(uv_pipe_open(b, pair[1]));
}

void finish_loop(uv_loop_t *loop) {
    uv_run(loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(loop));
}
