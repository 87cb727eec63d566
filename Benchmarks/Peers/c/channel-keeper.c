// A keeper that speaks the session channel: acknowledged lines of numbered writers, and output kept in segments. A
// minimal one that keeps the promises of `writer`, `write` and `read`: no other verbs, no limits of clients, no names,
// locks or logs.
#include "channel.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

struct client {
    uv_pipe_t pipe;
    struct client *next;
    uv_write_t request;
    char *rest;  // the bytes that libuv still writes
    /// Lines: the numbers of the last one taken and the last one in the pipe, and the ends of those between, in all
    /// bytes taken.
    uint64_t last, acknowledged, told, *ends;
    size_t first_end, end_count, end_capacity;
    int is_reading;
    uint64_t offset;
    size_t count;
    char bytes[longest_message];
};

static uv_loop_t loop;
static uv_pipe_t listener, output;
static uv_poll_t input;
static uv_process_t child;
static struct client *clients;
static const char *socket_path;
static int input_number;

// Lines

enum { queue_capacity = 262144 + longest_message, queue_limit = 262144 };
static char queue[queue_capacity];
static size_t queue_start, queue_end;
static uint64_t taken, written;
static int is_full;

static void client_written(uv_write_t *request, int status);
static void serve(struct client *client);

static void send_to(struct client *client, char *bytes, size_t count) {
    uv_buf_t buffer = uv_buf_init(bytes, (unsigned)count);
    int done = uv_try_write((uv_stream_t *)&client->pipe, &buffer, 1);
    if (done == (int)count) return;
    if (done < 0 && done != UV_EAGAIN) return;
    if (done < 0) done = 0;
    client->rest = malloc(count - (size_t)done);
    memcpy(client->rest, bytes + done, count - (size_t)done);
    buffer = uv_buf_init(client->rest, (unsigned)(count - (size_t)done));
    CHECK(uv_write(&client->request, (uv_stream_t *)&client->pipe, &buffer, 1, client_written));
}

/// Sends a writer its acknowledgement, unless earlier bytes still wait.
static void acknowledge(struct client *client) {
    while (client->first_end < client->end_count && client->ends[client->first_end] <= written) {
        client->first_end++;
        client->acknowledged++;
    }
    if (client->first_end == client->end_count) client->first_end = client->end_count = 0;
    if (client->told == client->acknowledged || client->rest) return;
    client->told = client->acknowledged;
    char text[headroom], *end = put_number(put_text(text, "ack "), client->acknowledged);
    *end++ = '\n';
    send_to(client, text, (size_t)(end - text));
}

static void client_written(uv_write_t *request, int status) {
    struct client *client = request->handle->data;
    free(client->rest);
    client->rest = NULL;
    if (status < 0) return;
    acknowledge(client);
    if (client->is_reading) serve(client);
}

static void allocate(uv_handle_t *handle, size_t size, uv_buf_t *buffer);
static void received(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer);
static void input_changed(uv_poll_t *poll, int status, int events);

/// Gives the child's pipe the waiting lines, and sends the acknowledgements.
static void flush(void) {
    while (queue_start < queue_end && !is_full) {
        ssize_t done = write(input_number, queue + queue_start, queue_end - queue_start);
        if (done < 0 && errno != EAGAIN) fail("write", NULL);
        if (done < (ssize_t)(queue_end - queue_start)) {
            is_full = 1;
            CHECK(uv_poll_start(&input, UV_WRITABLE, input_changed));
        }
        if (done > 0) queue_start += (size_t)done, written += (uint64_t)done;
    }
    if (queue_start == queue_end) queue_start = queue_end = 0;
    for (struct client *client = clients; client; client = client->next) acknowledge(client);
}

static void input_changed(uv_poll_t *poll, int status, int events) {
    CHECK(status);
    (void)events;
    CHECK(uv_poll_stop(poll));
    is_full = 0;
    flush();
    if (queue_end - queue_start > queue_limit / 2) return;
    for (struct client *client = clients; client; client = client->next) {
        if (!uv_is_active((uv_handle_t *)&client->pipe)) {
            CHECK(uv_read_start((uv_stream_t *)&client->pipe, allocate, received));
        }
    }
}

static void take_line(struct client *client, const char *bytes, size_t length) {
    if (queue_end + length > queue_capacity) {
        memmove(queue, queue + queue_start, queue_end - queue_start);
        queue_end -= queue_start;
        queue_start = 0;
    }
    memcpy(queue + queue_end, bytes, length);
    queue_end += length;
    taken += length;
    client->last++;
    if (client->end_count == client->end_capacity) {
        client->end_capacity = client->end_capacity ? client->end_capacity * 2 : 1024;
        client->ends = realloc(client->ends, client->end_capacity * sizeof *client->ends);
    }
    client->ends[client->end_count++] = taken;
}

// Output

static char output_buffer[headroom + chunk_size];

/// Sends a chunk that is in the output buffer, with its header before it.
static void send_chunk(struct client *client, uint64_t offset, size_t count) {
    char header[headroom], *end = put_number(put_text(header, "out "), offset);
    *end++ = ' ';
    end = put_number(end, count);
    *end++ = '\n';
    size_t length = (size_t)(end - header);
    char *start = output_buffer + headroom - length;
    memcpy(start, header, length);
    client->offset = offset + count;
    send_to(client, start, length + count);
}

/// Serves a reader from the segments until it has all output or takes no more.
static void serve(struct client *client) {
    while (client->offset < kept_end && !client->rest) {
        if (client->offset < kept_start) {
            char text[128];
            int length = snprintf(text, sizeof text, "gap out %llu %llu\n", (unsigned long long)client->offset,
                                  (unsigned long long)kept_start);
            client->offset = kept_start;
            send_to(client, text, (size_t)length);
            continue;
        }
        send_chunk(client, client->offset, read_kept(client->offset, output_buffer + headroom, chunk_size));
    }
}

static void lend_output(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
    (void)handle, (void)size;
    *buffer = uv_buf_init(output_buffer + headroom, chunk_size);
}

static void output_received(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    (void)buffer;
    if (count < 0) uv_close((uv_handle_t *)stream, NULL);
    if (count <= 0) return;
    uint64_t start = kept_end;
    keep(output_buffer + headroom, (size_t)count);
    for (struct client *client = clients; client; client = client->next) {
        if (client->is_reading && client->offset == start && !client->rest) send_chunk(client, start, (size_t)count);
    }
}

// Clients

static void begin_reading(struct client *client, const char *header) {
    client->is_reading = 1;
    client->offset = strstr(header, "\"from\":\"start\"") ? kept_start : kept_end;
    char text[200];
    int length = snprintf(text, sizeof text, "reading {\"out\":{\"from\":%llu,\"start\":%llu,\"end\":%llu}}\n",
                          (unsigned long long)client->offset, (unsigned long long)kept_start,
                          (unsigned long long)kept_end);
    send_to(client, text, (size_t)length);
    serve(client);
}

/// Serves the complete messages; returns the number of their bytes.
static size_t serve_messages(struct client *client) {
    const char *at = client->bytes, *end = client->bytes + client->count;
    for (const char *newline; at < end && (newline = memchr(at, '\n', (size_t)(end - at))); ) {
        if (begins_with(at, "write ")) {
            const char *field = at + 6;
            uint64_t sequence = take_number(&field), length = take_number(&field);
            size_t here = (size_t)(end - field);
            if (length == 0 || here < length || (here == length && field[length - 1] != '\n')) break;
            size_t whole = length + (field[length - 1] != '\n');
            if (sequence > client->last + 1) fail("channel", "a number leaves a gap");
            if (sequence == client->last + 1) take_line(client, field, whole);
            at = field + whole;
            continue;
        }
        if (begins_with(at, "read ")) begin_reading(client, at);
        else if (begins_with(at, "writer ")) {
            char text[200];
            int length = snprintf(text, sizeof text, "writer %.*s %llu %llu\n", (int)strcspn(at + 7, " \n"), at + 7,
                                  (unsigned long long)client->last, (unsigned long long)client->acknowledged);
            send_to(client, text, (size_t)length);
        } else fail("channel", "a verb is unknown");
        at = newline + 1;
    }
    return (size_t)(at - client->bytes);
}

static void allocate(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
    (void)size;
    struct client *client = handle->data;
    size_t room = longest_message - client->count;
    *buffer = uv_buf_init(client->bytes + client->count, (unsigned)(room < read_size ? room : read_size));
}

static void freed(uv_handle_t *handle) {
    struct client *client = handle->data;
    free(client->ends);
    free(client);
}

static void received(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    (void)buffer;
    struct client *client = stream->data;
    if (count < 0) {
        struct client **place = &clients;
        while (*place != client) place = &(*place)->next;
        *place = client->next;
        uv_close((uv_handle_t *)stream, freed);
    }
    if (count <= 0) return;
    client->count += (size_t)count;
    size_t served = serve_messages(client);
    if (served == 0 && client->count == longest_message) fail("channel", "a message is too long");
    client->count -= served;
    if (client->count > 0) memmove(client->bytes, client->bytes + served, client->count);
    flush();
    if (queue_end - queue_start > queue_limit / 2) CHECK(uv_read_stop(stream));
}

static void accepted(uv_stream_t *server, int status) {
    CHECK(status);
    struct client *client = calloc(1, sizeof *client);
    client->pipe.data = client;
    CHECK(uv_pipe_init(&loop, &client->pipe, 0));
    CHECK(uv_accept(server, (uv_stream_t *)&client->pipe));
    client->next = clients;
    clients = client;
    const char *name = strrchr(socket_path, '/') ? strrchr(socket_path, '/') + 1 : socket_path;
    char text[400];
    int length = snprintf(text, sizeof text,
                          "hello {\"uvkeeper\":\"0\",\"protocol\":1,\"verbs\":[\"writer\",\"write\",\"read\"],\"session\":"
                          "\"%.*s\",\"epoch\":\"%016x\",\"maxLine\":65536,\"output\":{\"out\":{\"start\":%llu,\"end\":%llu}}}\n",
                          (int)strcspn(name, "."), name, (unsigned)getpid(), (unsigned long long)kept_start,
                          (unsigned long long)kept_end);
    send_to(client, text, (size_t)length);
    CHECK(uv_read_start((uv_stream_t *)&client->pipe, allocate, received));
}

static void child_ended(uv_process_t *process, int64_t status, int signal) {
    (void)process, (void)status, (void)signal;
    unlink(socket_path);
    remove_kept();
    exit(0);
}

static void terminated(uv_signal_t *watcher, int number) {
    (void)watcher, (void)number;
    uv_process_kill(&child, SIGKILL);
}

// usage: channel-keeper SOCKET BYTES COMMAND...; keeps BYTES bytes of the command's stdout, in files beside the socket.
void run_channel_keeper(int argc, char **argv) {
    (void)argc;
    socket_path = argv[0];
    umask(077);
    keep_in(socket_path, strtoull(argv[1], NULL, 10));
    CHECK(uv_loop_init(&loop));
    uv_signal_t watcher;
    CHECK(uv_signal_init(&loop, &watcher));
    CHECK(uv_signal_start(&watcher, terminated, SIGTERM));
    uv_file in[2], out[2];
    CHECK(uv_pipe(in, 0, UV_NONBLOCK_PIPE));
    CHECK(uv_pipe(out, UV_NONBLOCK_PIPE, 0));
    uv_stdio_container_t stdio[3] = {{.flags = UV_INHERIT_FD, .data.fd = in[0]},
                                     {.flags = UV_INHERIT_FD, .data.fd = out[1]},
                                     {.flags = UV_IGNORE}};
    uv_process_options_t options = {
        .file = argv[2], .args = argv + 2, .exit_cb = child_ended, .stdio_count = 3, .stdio = stdio};
    CHECK(uv_spawn(&loop, &child, &options));
    close(in[0]);
    close(out[1]);
    input_number = in[1];
    CHECK(uv_poll_init(&loop, &input, input_number));
    CHECK(uv_pipe_init(&loop, &output, 0));
    CHECK(uv_pipe_open(&output, out[0]));
    CHECK(uv_read_start((uv_stream_t *)&output, lend_output, output_received));
    CHECK(uv_pipe_init(&loop, &listener, 0));
    CHECK(uv_pipe_bind(&listener, socket_path));
    CHECK(uv_listen((uv_stream_t *)&listener, 511, accepted));
    uv_run(&loop, UV_RUN_DEFAULT);
}
