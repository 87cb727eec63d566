// Streams within one loop.
#include "peer.h"

static uv_loop_t loop;
static uv_pipe_t near_end, far_end;
static long left;
static size_t received;
static char read_buffer[65536];

static void lend(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
    (void)handle, (void)size;
    *buffer = uv_buf_init(read_buffer, sizeof read_buffer);
}

static void close_pair(void) {
    uv_close((uv_handle_t *)&near_end, NULL);
    uv_close((uv_handle_t *)&far_end, NULL);
}

static void prepare_pair(uv_read_cb near_read, uv_read_cb far_read) {
    CHECK(uv_loop_init(&loop));
    make_pair(&loop, &near_end, &far_end);
    if (near_read) CHECK(uv_read_start((uv_stream_t *)&near_end, lend, near_read));
    CHECK(uv_read_start((uv_stream_t *)&far_end, lend, far_read));
}

static void run_and_report(const char *name, long count) {
    uint64_t begin = now();
    uv_run(&loop, UV_RUN_DEFAULT);
    report(name, count, now() - begin, "");
    finish_loop(&loop);
}

enum { message_size = 64, chunk_size = 65536 };
static char chunk[chunk_size];

static void send_message(uv_stream_t *stream) {
    uv_buf_t buffer = uv_buf_init(chunk, message_size);
    if (uv_try_write(stream, &buffer, 1) != message_size) fail("uv_try_write", "a short write");
}

static void echo(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    (void)buffer;
    if (count == message_size) send_message(stream);
}

static void echoed(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    (void)buffer;
    if (count != message_size) return;
    if (--left > 0) send_message(stream);
    else close_pair();
}

void pipe_roundtrip(long count, int argc, char **argv) {
    (void)argc, (void)argv;
    prepare_pair(echoed, echo);
    left = count;
    send_message((uv_stream_t *)&near_end);
    run_and_report("pipe-roundtrip", count);
}

static uv_write_t bulk_request;

static void write_chunk(uv_write_t *request, int status) {
    (void)request;
    CHECK(status);
    // A careful writer tries, and waits only for the bytes that the kernel does not take.
    while (left > 0) {
        left--;
        uv_buf_t buffer = uv_buf_init(chunk, chunk_size);
        int taken = uv_try_write((uv_stream_t *)&near_end, &buffer, 1);
        if (taken == chunk_size) continue;
        if (taken > 0) buffer = uv_buf_init(chunk + taken, (unsigned)(chunk_size - taken));
        CHECK(uv_write(&bulk_request, (uv_stream_t *)&near_end, &buffer, 1, write_chunk));
        return;
    }
}

static size_t expected;

static void count_bytes(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    (void)stream, (void)buffer;
    if (count > 0) received += (size_t)count;
    if (received == expected) close_pair();
}

// An operation is 64 KiB written, carried and read.
void pipe_bulk(long count, int argc, char **argv) {
    (void)argc, (void)argv;
    prepare_pair(NULL, count_bytes);
    left = count;
    expected = (size_t)count * chunk_size;
    uint64_t begin = now();
    write_chunk(NULL, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    report("pipe-bulk", count, now() - begin, "");
    finish_loop(&loop);
}

// Small writes, all of them queued before the loop runs, with a completion each, like those of a server with a backlog.

static void write_all(const char *name, long count, void (*write)(void)) {
    prepare_pair(NULL, count_bytes);
    left = count;
    expected = (size_t)count * message_size;
    uint64_t begin = now();
    for (long i = 0; i < count; i++) write();
    uv_run(&loop, UV_RUN_DEFAULT);
    report(name, count, now() - begin, "");
    if (left != 0) fail(name, "completions are missing");
    finish_loop(&loop);
}

struct message {
    uv_write_t request;
    char bytes[message_size];
};

static void wrote_one(uv_write_t *request, int status) {
    CHECK(status);
    left--;
    free(request);
}

static void write_one(void) {
    struct message *message = malloc(sizeof *message);
    memcpy(message->bytes, chunk, message_size);
    uv_buf_t buffer = uv_buf_init(message->bytes, message_size);
    CHECK(uv_write(&message->request, (uv_stream_t *)&near_end, &buffer, 1, wrote_one));
}

void small_writes_each(long count, int argc, char **argv) {
    (void)argc, (void)argv;
    write_all("small-writes-each", count, write_one);
}

// A careful writer, like UVLoop, tries while nothing is queued; otherwise it joins the waiting bytes into one buffer,
// which becomes one write as soon as libuv is not writing.

struct queue {
    char *bytes;
    size_t count, capacity;
};

static void append(struct queue *queue, const void *bytes, size_t count) {
    if (queue->count + count > queue->capacity) {
        queue->capacity = 2 * queue->capacity + count;
        queue->bytes = realloc(queue->bytes, queue->capacity);
        if (!queue->bytes) fail("realloc", NULL);
    }
    memcpy(queue->bytes + queue->count, bytes, count);
    queue->count += count;
}

/// The function to call once the kernel has taken the byte before `end`.
struct completion {
    size_t end;
    void (*run)(void *data);
    void *data;
};

static struct queue waiting, in_flight, completions;
static size_t submitted, taken, first_completion;
static uv_write_t joined_request;
static uv_idle_t delivery;

static void deliver(void) {
    struct completion *all = (struct completion *)completions.bytes;
    size_t count = completions.count / sizeof *all;
    for (; first_completion < count && all[first_completion].end <= taken; first_completion++) {
        all[first_completion].run(all[first_completion].data);
    }
    if (first_completion < count) return;
    completions.count = first_completion = 0;
}

/// Delivers completions after the write, even if the kernel took it at once.
static void deliver_later(uv_idle_t *idle) {
    uv_idle_stop(idle);
    deliver();
}

static void wrote_joined(uv_write_t *request, int status);

static void flush_queue(void) {
    if (in_flight.count > 0 || waiting.count == 0) return;
    struct queue empty = in_flight;
    in_flight = waiting;
    waiting = empty;
    uv_buf_t buffer = uv_buf_init(in_flight.bytes, (unsigned)in_flight.count);
    CHECK(uv_write(&joined_request, (uv_stream_t *)&near_end, &buffer, 1, wrote_joined));
}

static void wrote_joined(uv_write_t *request, int status) {
    (void)request;
    CHECK(status);
    taken += in_flight.count;
    in_flight.count = 0;
    deliver();
    flush_queue();
}

static void completed(void *data) {
    long *left = data;
    if (--*left == 0) uv_close((uv_handle_t *)&delivery, NULL);
}

static void write_joined(void) {
    int count = 0;
    if (submitted == 0) CHECK(uv_idle_init(&loop, &delivery));
    if (waiting.count == 0 && in_flight.count == 0) {
        uv_buf_t buffer = uv_buf_init(chunk, message_size);
        count = uv_try_write((uv_stream_t *)&near_end, &buffer, 1);
        if (count == UV_EAGAIN) count = 0;
        CHECK(count);
    }
    taken += (size_t)count;
    submitted += message_size;
    struct completion completion = {submitted, completed, &left};
    append(&completions, &completion, sizeof completion);
    if (count == message_size) {
        CHECK(uv_idle_start(&delivery, deliver_later));
        return;
    }
    append(&waiting, chunk + count, (size_t)(message_size - count));
    flush_queue();
}

void small_writes(long count, int argc, char **argv) {
    (void)argc, (void)argv;
    write_all("small-writes", count, write_joined);
    free(waiting.bytes);
    free(in_flight.bytes);
    free(completions.bytes);
}

// A client connects to a listener of the same loop, writes a line, shuts down, and waits for the clean close.

static uv_pipe_t listener;
static char path[108];

struct cycle {
    uv_pipe_t pipe;
    uv_connect_t connect;
    uv_shutdown_t shutdown;
};

static void begin_cycle(void);

static void freed(uv_handle_t *handle) { free(handle); }

static void served(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    (void)buffer;
    if (count > 0) received += (size_t)count;
    if (count < 0) uv_close((uv_handle_t *)stream, freed);
}

static void accepted(uv_stream_t *server, int status) {
    CHECK(status);
    uv_pipe_t *client = malloc(sizeof *client);
    CHECK(uv_pipe_init(&loop, client, 0));
    CHECK(uv_accept(server, (uv_stream_t *)client));
    CHECK(uv_read_start((uv_stream_t *)client, lend, served));
}

static void confirmed(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    (void)buffer;
    if (count >= 0) return;
    uv_close((uv_handle_t *)stream, freed);
    if (--left > 0) begin_cycle();
    else uv_close((uv_handle_t *)&listener, NULL);
}

static void connected(uv_connect_t *request, int status) {
    CHECK(status);
    struct cycle *cycle = request->data;
    CHECK(uv_read_start((uv_stream_t *)&cycle->pipe, lend, confirmed));
    send_message((uv_stream_t *)&cycle->pipe);
    CHECK(uv_shutdown(&cycle->shutdown, (uv_stream_t *)&cycle->pipe, NULL));
}

static void begin_cycle(void) {
    struct cycle *cycle = malloc(sizeof *cycle);
    cycle->connect.data = cycle;
    CHECK(uv_pipe_init(&loop, &cycle->pipe, 0));
    uv_pipe_connect(&cycle->connect, &cycle->pipe, path, connected);
}

void connect_cycle(long count, int argc, char **argv) {
    (void)argc, (void)argv;
    snprintf(path, sizeof path, "/tmp/uvbench-c-%d.sock", (int)getpid());
    unlink(path);
    CHECK(uv_loop_init(&loop));
    CHECK(uv_pipe_init(&loop, &listener, 0));
    CHECK(uv_pipe_bind(&listener, path));
    CHECK(uv_listen((uv_stream_t *)&listener, 511, accepted));
    left = count;
    begin_cycle();
    run_and_report("connect-cycle", count);
}
