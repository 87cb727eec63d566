// The servers that `load.c` measures, in plain C on libuv. Every peer has the same four.
//
// usage: serve tcp-echo     sends back what each client sends
//        serve tcp-sink     reads what each client sends and closes at its end
//        serve tcp-source   sends a client 64 KiB for each byte that it sends
//        serve udp-echo     sends each message back to its sender
//
// The first line of output is the port, on 127.0.0.1. The end of standard input ends the server.
#include "peer.h"

enum { chunk_size = 65536, backlog = 511 };

static uv_loop_t loop;
static char read_buffer[chunk_size], chunk[chunk_size];

struct client {
    uv_tcp_t tcp;
    uv_write_t request;
    char *unsent; // the bytes of an echo that the kernel did not take
    long chunks;  // the number of chunks that a source has still to send
};

static void lend(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
    (void)handle, (void)size;
    *buffer = uv_buf_init(read_buffer, sizeof read_buffer);
}

static void freed(uv_handle_t *handle) {
    free(((struct client *)handle)->unsent);
    free(handle);
}

static void end(uv_stream_t *stream) { uv_close((uv_handle_t *)stream, freed); }

// Echo. Bytes that are not taken at once are copied, and no more is read until they have gone.

static void echo(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer);

static void echoed(uv_write_t *request, int status) {
    struct client *client = request->data;
    free(client->unsent);
    client->unsent = NULL;
    if (status == 0) CHECK(uv_read_start((uv_stream_t *)&client->tcp, lend, echo));
    else if (!uv_is_closing((uv_handle_t *)&client->tcp)) end((uv_stream_t *)&client->tcp);
}

static void echo(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    if (count < 0) return end(stream);
    if (count == 0) return;
    struct client *client = (struct client *)stream;
    uv_buf_t rest = uv_buf_init(buffer->base, (unsigned)count);
    int taken = uv_try_write(stream, &rest, 1);
    if (taken == count) return;
    if (taken < 0 && taken != UV_EAGAIN) return end(stream);
    if (taken < 0) taken = 0;
    client->unsent = malloc((size_t)(count - taken));
    memcpy(client->unsent, buffer->base + taken, (size_t)(count - taken));
    rest = uv_buf_init(client->unsent, (unsigned)(count - taken));
    client->request.data = client;
    uv_read_stop(stream);
    CHECK(uv_write(&client->request, stream, &rest, 1, echoed));
}

static void discard(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    (void)buffer;
    if (count < 0) end(stream);
}

// Source. A write is tried, and only the bytes that the kernel does not take are waited for.

static void pump(struct client *client);

static void pumped(uv_write_t *request, int status) {
    struct client *client = request->data;
    if (status == 0) pump(client);
    else if (!uv_is_closing((uv_handle_t *)&client->tcp)) end((uv_stream_t *)&client->tcp);
}

static void pump(struct client *client) {
    while (client->chunks > 0) {
        client->chunks--;
        uv_buf_t buffer = uv_buf_init(chunk, chunk_size);
        int taken = uv_try_write((uv_stream_t *)&client->tcp, &buffer, 1);
        if (taken == chunk_size) continue;
        if (taken < 0 && taken != UV_EAGAIN) return end((uv_stream_t *)&client->tcp);
        if (taken > 0) buffer = uv_buf_init(chunk + taken, (unsigned)(chunk_size - taken));
        client->request.data = client;
        CHECK(uv_write(&client->request, (uv_stream_t *)&client->tcp, &buffer, 1, pumped));
        return;
    }
}

static void asked(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    (void)buffer;
    struct client *client = (struct client *)stream;
    if (count < 0) return end(stream);
    int is_idle = client->chunks == 0 && uv_stream_get_write_queue_size(stream) == 0;
    client->chunks += count;
    if (is_idle) pump(client);
}

static uv_read_cb serve_client;

static void accepted(uv_stream_t *server, int status) {
    CHECK(status);
    struct client *client = calloc(1, sizeof *client);
    CHECK(uv_tcp_init(&loop, &client->tcp));
    CHECK(uv_accept(server, (uv_stream_t *)&client->tcp));
    CHECK(uv_tcp_nodelay(&client->tcp, 1));
    CHECK(uv_read_start((uv_stream_t *)&client->tcp, lend, serve_client));
}

// Datagrams, several by one system call; one that the kernel does not take is dropped, which the load reports.

static char datagrams[16 * 65536];

static void lend_datagrams(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
    (void)handle, (void)size;
    *buffer = uv_buf_init(datagrams, sizeof datagrams);
}

static void echo_datagram(
    uv_udp_t *socket, ssize_t count, const uv_buf_t *buffer, const struct sockaddr *sender, unsigned flags
) {
    (void)flags;
    if (!sender || count < 0) return;
    uv_buf_t message = uv_buf_init(buffer->base, (unsigned)count);
    uv_udp_try_send(socket, &message, 1, sender);
}

static void announce(const struct sockaddr_storage *address) {
    printf("%d\n", ntohs(((const struct sockaddr_in *)address)->sin_port));
    fflush(stdout);
}

static void input_ended(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    (void)stream, (void)buffer;
    // The server ends by `exit`, not by a signal, so that the allocation counter reports.
    if (count < 0) exit(0);
}

void run_server(const char *kind) {
    static uv_pipe_t input;
    static uv_tcp_t listener;
    static uv_udp_t datagram_socket;
    struct sockaddr_storage address;
    int size = sizeof address;
    CHECK(uv_loop_init(&loop));
    CHECK(uv_pipe_init(&loop, &input, 0));
    CHECK(uv_pipe_open(&input, 0));
    CHECK(uv_read_start((uv_stream_t *)&input, lend, input_ended));
    CHECK(uv_ip4_addr("127.0.0.1", 0, (struct sockaddr_in *)&address));
    if (strcmp(kind, "udp-echo") == 0) {
        CHECK(uv_udp_init_ex(&loop, &datagram_socket, AF_INET | UV_UDP_RECVMMSG));
        CHECK(uv_udp_bind(&datagram_socket, (struct sockaddr *)&address, 0));
        CHECK(uv_udp_recv_start(&datagram_socket, lend_datagrams, echo_datagram));
        CHECK(uv_udp_getsockname(&datagram_socket, (struct sockaddr *)&address, &size));
    } else {
        if (strcmp(kind, "tcp-echo") == 0) serve_client = echo;
        else if (strcmp(kind, "tcp-sink") == 0) serve_client = discard;
        else if (strcmp(kind, "tcp-source") == 0) serve_client = asked;
        else fail(kind, "no such server");
        CHECK(uv_tcp_init(&loop, &listener));
        CHECK(uv_tcp_bind(&listener, (struct sockaddr *)&address, 0));
        CHECK(uv_listen((uv_stream_t *)&listener, backlog, accepted));
        CHECK(uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &size));
    }
    announce(&address);
    uv_run(&loop, UV_RUN_DEFAULT);
}
