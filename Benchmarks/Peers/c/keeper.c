// A client that writes one line per connection, and a minimal keeper that copies the bytes it reads to its child,
// without framing, limits, locks or logs.
#include "peer.h"

#include <signal.h>

static uv_loop_t loop;
static char read_buffer[65536];

static void lend(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
    (void)handle, (void)size;
    *buffer = uv_buf_init(read_buffer, sizeof read_buffer);
}

// The client

enum { line_size = 64, attempt_timeout = 350 };
static const char *socket_path;
static char line[line_size];
static long to_begin, to_end;

struct attempt {
    uv_pipe_t pipe;
    uv_timer_t timer;
    uv_connect_t connect;
    uv_shutdown_t shutdown;
    int handles;
};

static void begin_attempt(void);

static void closed(uv_handle_t *handle) {
    struct attempt *attempt = handle->data;
    if (--attempt->handles == 0) free(attempt);
}

static void confirmed(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    (void)buffer;
    if (count >= 0) return;
    if (count != UV_EOF) CHECK(count);
    struct attempt *attempt = stream->data;
    uv_close((uv_handle_t *)stream, closed);
    uv_close((uv_handle_t *)&attempt->timer, closed);
    to_end--;
    if (to_begin > 0) begin_attempt();
}

static void timed_out(uv_timer_t *timer) {
    (void)timer;
    fail("connect", "a connection was not confirmed in time");
}

static void connected(uv_connect_t *request, int status) {
    CHECK(status);
    struct attempt *attempt = request->handle->data;
    uv_stream_t *stream = (uv_stream_t *)&attempt->pipe;
    CHECK(uv_read_start(stream, lend, confirmed));
    uv_buf_t buffer = uv_buf_init(line, line_size);
    if (uv_try_write(stream, &buffer, 1) != line_size) fail("uv_try_write", "a short write");
    CHECK(uv_shutdown(&attempt->shutdown, stream, NULL));
}

static void begin_attempt(void) {
    to_begin--;
    struct attempt *attempt = malloc(sizeof *attempt);
    attempt->handles = 2;
    attempt->pipe.data = attempt->timer.data = attempt;
    CHECK(uv_pipe_init(&loop, &attempt->pipe, 0));
    CHECK(uv_timer_init(&loop, &attempt->timer));
    CHECK(uv_timer_start(&attempt->timer, timed_out, attempt_timeout, 0));
    uv_pipe_connect(&attempt->connect, &attempt->pipe, socket_path, connected);
}

static void write_lines(long count, long in_flight) {
    to_begin = to_end = count;
    for (long i = 0; i < in_flight && to_begin > 0; i++) begin_attempt();
    uv_run(&loop, UV_RUN_DEFAULT);
    if (to_end != 0) fail("connect", "connections are missing");
}

// usage: connect COUNT SOCKET IN_FLIGHT. A line is done when the keeper has closed its connection cleanly.
void connect_keeper(long count, int argc, char **argv) {
    if (argc < 2) fail("connect", "a socket and a number in flight are needed");
    socket_path = argv[0];
    memset(line, 'x', line_size - 1);
    line[line_size - 1] = '\n';
    CHECK(uv_loop_init(&loop));
    write_lines(500, atol(argv[1]));
    uint64_t begin = uv_hrtime();
    write_lines(count, atol(argv[1]));
    report("connect", count, uv_hrtime() - begin, "");
    finish_loop(&loop);
}

// The keeper

static uv_pipe_t listener, child_input;
static uv_process_t child;

/// Bytes that the child has not taken yet; their client is not read meanwhile.
struct rest {
    uv_write_t request;
    uv_stream_t *client;
    char bytes[];
};

static void copy(uv_stream_t *client, ssize_t count, const uv_buf_t *buffer);
static void freed(uv_handle_t *handle) { free(handle); }

static void rest_written(uv_write_t *request, int status) {
    CHECK(status);
    struct rest *rest = (struct rest *)request;
    CHECK(uv_read_start(rest->client, lend, copy));
    free(rest);
}

static void copy(uv_stream_t *client, ssize_t count, const uv_buf_t *buffer) {
    if (count < 0) uv_close((uv_handle_t *)client, freed);
    if (count <= 0) return;
    uv_buf_t bytes = uv_buf_init(buffer->base, (unsigned)count);
    int taken = uv_try_write((uv_stream_t *)&child_input, &bytes, 1);
    if (taken == count) return;
    if (taken < 0) taken = 0;
    struct rest *rest = malloc(sizeof *rest + (size_t)(count - taken));
    rest->client = client;
    memcpy(rest->bytes, buffer->base + taken, (size_t)(count - taken));
    bytes = uv_buf_init(rest->bytes, (unsigned)(count - taken));
    CHECK(uv_write(&rest->request, (uv_stream_t *)&child_input, &bytes, 1, rest_written));
    CHECK(uv_read_stop(client));
}

static void accepted(uv_stream_t *server, int status) {
    CHECK(status);
    uv_pipe_t *client = malloc(sizeof *client);
    CHECK(uv_pipe_init(&loop, client, 0));
    CHECK(uv_accept(server, (uv_stream_t *)client));
    CHECK(uv_read_start((uv_stream_t *)client, lend, copy));
}

static void child_ended(uv_process_t *process, int64_t status, int signal) {
    (void)process, (void)status, (void)signal;
    unlink(socket_path);
    exit(0);
}

static void terminated(uv_signal_t *watcher, int number) {
    (void)watcher, (void)number;
    uv_process_kill(&child, SIGKILL);
}

void run_keeper(int argc, char **argv) {
    (void)argc;
    socket_path = argv[0];
    CHECK(uv_loop_init(&loop));
    uv_signal_t watcher;
    CHECK(uv_signal_init(&loop, &watcher));
    CHECK(uv_signal_start(&watcher, terminated, SIGTERM));
    uv_file pair[2];
    CHECK(uv_pipe(pair, 0, UV_NONBLOCK_PIPE));
    CHECK(uv_pipe_init(&loop, &child_input, 0));
    CHECK(uv_pipe_open(&child_input, pair[1]));
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_INHERIT_FD, .data.fd = pair[0]}, {.flags = UV_IGNORE}, {.flags = UV_IGNORE}};
    uv_process_options_t options = {
        .file = argv[1], .args = argv + 1, .exit_cb = child_ended, .stdio_count = 3, .stdio = stdio};
    CHECK(uv_spawn(&loop, &child, &options));
    close(pair[0]);
    CHECK(uv_pipe_init(&loop, &listener, 0));
    CHECK(uv_pipe_bind(&listener, socket_path));
    CHECK(uv_listen((uv_stream_t *)&listener, 511, accepted));
    uv_run(&loop, UV_RUN_DEFAULT);
}
