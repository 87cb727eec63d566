// The common part of the benchmarks: the clock, checks, and the line of JSON that each prints.
#ifndef PEER_H
#define PEER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

/// Ends the program if a call of libuv fails, and prints the call.
#define CHECK(call)                                                                                                    \
    do {                                                                                                               \
        int check_status = (int)(call);                                                                                \
        if (check_status < 0) fail(#call, uv_strerror(check_status));                                                  \
    } while (0)

/// Ends the program if a call that sets `errno` fails.
#define CHECK_ERRNO(call)                                                                                              \
    do {                                                                                                               \
        if ((call) == -1) fail(#call, NULL);                                                                           \
    } while (0)

void fail(const char *what, const char *why);

/// Returns nanoseconds of the clock, or, with UVBENCH_CLOCK=cpu, of processor time: for measuring on a busy machine.
uint64_t now(void);

/// Prints `{"name":…,"count":…,"ns_per_op":…` and then `more`, a printf format that starts with a comma or is empty.
void report(const char *name, long count, uint64_t nanoseconds, const char *more, ...);

int compare_numbers(const void *a, const void *b);
uint64_t median(uint64_t *numbers, long count);

/// Returns the processor time of all threads of a process, in nanoseconds.
uint64_t cpu_time(const char *pid);

/// Makes two connected unix sockets, as streams of the loop.
void make_pair(uv_loop_t *loop, uv_pipe_t *a, uv_pipe_t *b);
/// Runs the loop until nothing is left, and closes it.
void finish_loop(uv_loop_t *loop);

/// A benchmark, which gets the count and the arguments after it.
typedef void benchmark(long count, int argc, char **argv);

benchmark idle_tick, timers, wakeup, submit;
benchmark pipe_roundtrip, pipe_bulk, small_writes, small_writes_each, connect_cycle;
benchmark spawn, scan, discovery, discovery_children, connect_keeper;
benchmark channel_lines, channel_ask, channel_output, pipeline;
benchmark feed, start, fleet;
benchmark load_echo, load_upload, load_download, load_accept, load_udp;
void run_keeper(int argc, char **argv);
void run_channel_keeper(int argc, char **argv);
void run_sink(int argc, char **argv);
void run_answer(void);
void run_flood(void);
void run_server(const char *kind);

#endif
