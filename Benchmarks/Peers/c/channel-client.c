// A client of the session channel: its lines are numbered and kept until their acknowledgement, and it reads output
// from an offset.
#include "channel.h"

static uv_loop_t loop;

/// A connection. Its bytes wait in one buffer while the kernel does not take them.
struct connection {
    uv_pipe_t pipe;
    uv_connect_t connect;
    uv_write_t request;
    /// Handles a complete header, without its payload.
    void (*message)(struct connection *connection, const char *header);
    /// Called when the kernel has taken all bytes.
    void (*drained)(struct connection *connection);
    const char *introduction;
    char *outgoing;
    size_t outgoing_count;
    int is_writing;
    uint64_t payload, received;
    size_t count;
    char bytes[longest_message];
};

static void allocate(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
    (void)size;
    struct connection *connection = handle->data;
    *buffer = uv_buf_init(connection->bytes + connection->count, read_size);
}

static void received(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    (void)buffer;
    struct connection *connection = stream->data;
    if (count < 0) fail("channel", uv_strerror((int)count));
    connection->count += (size_t)count;
    const char *at = connection->bytes, *end = at + connection->count;
    while (at < end) {
        if (connection->payload > 0) {
            size_t part = (size_t)(end - at) < connection->payload ? (size_t)(end - at) : connection->payload;
            connection->payload -= part;
            connection->received += part;
            at += part;
            continue;
        }
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline) break;
        if (begins_with(at, "out ")) {
            const char *field = at + 4;
            take_number(&field);
            connection->payload = take_number(&field);
        }
        connection->message(connection, at);
        at = newline + 1;
    }
    connection->count = (size_t)(end - at);
    if (connection->count > longest_message - read_size) fail("channel", "a header is too long");
    if (connection->count > 0) memmove(connection->bytes, at, connection->count);
    if (connection->drained && connection->outgoing_count == 0) connection->drained(connection);
}

static void flush(struct connection *connection);

static void flushed(uv_write_t *request, int status) {
    CHECK(status);
    struct connection *connection = request->handle->data;
    connection->is_writing = 0;
    connection->outgoing_count = 0;
    if (connection->drained) connection->drained(connection);
}

/// Writes the waiting bytes.
static void flush(struct connection *connection) {
    if (connection->is_writing || connection->outgoing_count == 0) return;
    uv_buf_t buffer = uv_buf_init(connection->outgoing, (unsigned)connection->outgoing_count);
    int done = uv_try_write((uv_stream_t *)&connection->pipe, &buffer, 1);
    if (done == (int)connection->outgoing_count) {
        connection->outgoing_count = 0;
        return;
    }
    if (done < 0 && done != UV_EAGAIN) CHECK(done);
    if (done < 0) done = 0;
    buffer = uv_buf_init(connection->outgoing + done, (unsigned)(connection->outgoing_count - (size_t)done));
    connection->is_writing = 1;
    CHECK(uv_write(&connection->request, (uv_stream_t *)&connection->pipe, &buffer, 1, flushed));
}

static void say(struct connection *connection, const char *text) {
    char *end = put_text(connection->outgoing + connection->outgoing_count, text);
    connection->outgoing_count = (size_t)(end - connection->outgoing);
    flush(connection);
}

static void connected(uv_connect_t *request, int status) {
    CHECK(status);
    CHECK(uv_read_start(request->handle, allocate, received));
}

static struct connection *open_connection(
    const char *path, const char *introduction, void (*message)(struct connection *, const char *)) {
    struct connection *connection = calloc(1, sizeof *connection);
    connection->outgoing = malloc(2 * read_size);
    connection->introduction = introduction;
    connection->message = message;
    connection->pipe.data = connection;
    CHECK(uv_pipe_init(&loop, &connection->pipe, 0));
    uv_pipe_connect(&connection->connect, &connection->pipe, path, connected);
    return connection;
}

/// True for a hello, after the introduction has been sent; any error ends the program.
static int is_greeting(struct connection *connection, const char *header) {
    if (begins_with(header, "error ")) {
        fprintf(stderr, "%.*s\n", (int)strcspn(header, "\n"), header);
        fail("channel", "the keeper answers with an error");
    }
    if (!begins_with(header, "hello ")) return 0;
    if (connection->introduction) say(connection, connection->introduction);
    return 1;
}

// Lines

enum outcome { written, refused, unknown };

/// A line that was sent: its bytes, which a client needs after it has connected again, and the function that is told its
/// outcome.
struct pending {
    void (*told)(void *context, enum outcome outcome);
    void *context;
    char *bytes;
    size_t length;
};

/// A ring of them; the room is a power of two.
static struct pending *ring;
static size_t ring_room, ring_first, ring_count;

static struct connection *lines;
static uint64_t last_sent, last_acknowledged;
static long to_begin, to_end, in_flight;
static char *line;
static size_t line_size;

static void grow_ring(void) {
    size_t room = ring_room ? ring_room * 2 : 64;
    struct pending *grown = malloc(room * sizeof *grown);
    for (size_t i = 0; i < ring_count; i++) grown[i] = ring[(ring_first + i) & (ring_room - 1)];
    free(ring);
    ring = grown;
    ring_room = room;
    ring_first = 0;
}

/// Numbers a line, copies it, and puts it behind what waits to be written.
static void add_line(
    const char *bytes, size_t length, void (*told)(void *context, enum outcome outcome), void *context) {
    if (ring_count == ring_room) grow_ring();
    char *copy = malloc(length);
    memcpy(copy, bytes, length);
    ring[(ring_first + ring_count++) & (ring_room - 1)] = (struct pending){told, context, copy, length};
    last_sent++;
    char *to = lines->outgoing + lines->outgoing_count;
    to = put_number(put_text(to, "write "), last_sent);
    *to++ = ' ';
    to = put_number(to, length);
    *to++ = '\n';
    memcpy(to, bytes, length);
    lines->outgoing_count = (size_t)(to - lines->outgoing) + length;
}

/// Every line up to a number has come to the child's pipe.
static void acknowledged(uint64_t number) {
    while (last_acknowledged < number) {
        if (ring_count == 0) fail("lines", "an acknowledgement of nothing");
        struct pending done = ring[ring_first];
        ring_first = (ring_first + 1) & (ring_room - 1);
        ring_count--;
        last_acknowledged++;
        free(done.bytes);
        done.told(done.context, written);
    }
}

static void line_ended(void *context, enum outcome outcome) {
    long *left = context;
    if (outcome != written) fail("lines", "a line was not written");
    if (--*left == 0) uv_stop(&loop);
}

/// Sends lines up to the number that may be under way, one buffer after the other.
static void send_lines(struct connection *connection) {
    while (!connection->is_writing) {
        while (to_begin > 0 && (long)(last_sent - last_acknowledged) < in_flight && connection->outgoing_count < read_size) {
            to_begin--;
            add_line(line, line_size, line_ended, &to_end);
        }
        if (connection->outgoing_count == 0) return;
        flush(connection);
    }
}

static void lines_message(struct connection *connection, const char *header) {
    if (is_greeting(connection, header)) return;
    if (begins_with(header, "ack ")) {
        const char *field = header + 4;
        acknowledged(take_number(&field));
    } else if (begins_with(header, "writer ")) uv_stop(&loop);
}

static void open_lines(const char *path, long most, size_t size) {
    in_flight = most;
    line_size = size;
    line = malloc(size);
    memset(line, 'x', size - 1);
    line[size - 1] = '\n';
    static char introduction[64];
    snprintf(introduction, sizeof introduction, "writer c-%d\n", (int)getpid());
    lines = open_connection(path, introduction, lines_message);
    uv_run(&loop, UV_RUN_DEFAULT);
    lines->drained = send_lines;
}

static void write_lines(long count) {
    to_begin = to_end = count;
    send_lines(lines);
    uv_run(&loop, UV_RUN_DEFAULT);
    if (to_end != 0) fail("lines", "acknowledgements are missing");
}

static void stay_awake(uv_idle_t *idle) { (void)idle; }

// usage: lines COUNT SOCKET IN_FLIGHT SIZE [BUSY_POLL]. A line is done when the keeper has acknowledged it. With BUSY_POLL, whatever
// it is, the client does not sleep.
void channel_lines(long count, int argc, char **argv) {
    if (argc < 3) fail("lines", "usage: lines COUNT SOCKET IN_FLIGHT SIZE [BUSY_POLL]");
    CHECK(uv_loop_init(&loop));
    static uv_idle_t idle;
    CHECK(uv_idle_init(&loop, &idle));
    if (argc > 3) CHECK(uv_idle_start(&idle, stay_awake));
    open_lines(argv[0], atol(argv[1]), (size_t)atol(argv[2]));
    write_lines(count / 8 + 1);
    uint64_t begin = now();
    write_lines(count);
    report("lines", count, now() - begin, "");
}

// Output

static uint64_t expected;
static long readers_left, questions;
enum { most_readers = 64, line_of_question = 64 };
static struct connection *readers[most_readers];

static void read_message(struct connection *connection, const char *header) {
    if (is_greeting(connection, header)) return;
    if (begins_with(header, "gap ")) fail("channel", "output is gone");
    if (begins_with(header, "reading ") && --readers_left == 0) uv_stop(&loop);
}

static void ignore(void *context, enum outcome outcome) {
    (void)context;
    if (outcome != written) fail("lines", "a line was not written");
}

static void ask(void) {
    expected += line_size;
    add_line(line, line_size, ignore, NULL);
    flush(lines);
}

/// Called when a part of the output has come; the answer may be complete then.
static void answered(struct connection *connection) {
    if (connection->received < expected) return;
    if (--questions > 0) ask();
    else uv_stop(&loop);
}

static void open_readers(const char *path, long count) {
    if (count < 1 || count > most_readers) fail("output", "1 to 64 readers");
    readers_left = count;
    for (long i = 0; i < count; i++) {
        readers[i] = open_connection(path, "read {\"from\":\"start\",\"follow\":true}\n", read_message);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
}

static void ask_questions(long count) {
    questions = count;
    ask();
    uv_run(&loop, UV_RUN_DEFAULT);
}

// usage: ask COUNT SOCKET. The child answers each line with as many bytes; one question at a time.
void channel_ask(long count, int argc, char **argv) {
    if (argc < 1) fail("ask", "usage: ask COUNT SOCKET");
    CHECK(uv_loop_init(&loop));
    open_lines(argv[0], 64, line_of_question);
    lines->drained = NULL;
    open_readers(argv[0], 1);
    readers[0]->drained = answered;
    ask_questions(count / 8 + 1);
    uint64_t begin = now();
    ask_questions(count);
    report("ask", count, now() - begin, "");
}

static void part_came(struct connection *connection) {
    if (connection->received < expected || connection->drained == NULL) return;
    connection->drained = NULL;
    if (--readers_left == 0) uv_stop(&loop);
}

/// Makes the child write `bytes` bytes, and waits until every reader has them.
static void read_part(long count, uint64_t bytes) {
    readers_left = count;
    expected += bytes;
    for (long i = 0; i < count; i++) readers[i]->drained = part_came;
    memset(line, ' ', line_size - 1);
    put_number(line, bytes);
    add_line(line, line_size, ignore, NULL);
    flush(lines);
    uv_run(&loop, UV_RUN_DEFAULT);
}

// usage: output COUNT SOCKET READERS. An operation is 64 KiB that the child, `flood`, writes and every reader gets; at
// most 32 MiB at a time, so that no reader falls behind the kept output.
void channel_output(long count, int argc, char **argv) {
    if (argc < 2) fail("output", "usage: output COUNT SOCKET READERS");
    CHECK(uv_loop_init(&loop));
    open_lines(argv[0], 64, line_of_question);
    lines->drained = NULL;
    long reader_count = atol(argv[1]);
    open_readers(argv[0], reader_count);
    read_part(reader_count, chunk_size);
    uint64_t begin = now();
    for (long left = count; left > 0; left -= chunks_at_a_time) {
        read_part(reader_count, (uint64_t)(left < chunks_at_a_time ? left : chunks_at_a_time) * chunk_size);
    }
    report("output", count, now() - begin, "");
}
