// Measurements of servers over the network from outside, the same for every peer: starts a server, loads it, and
// reports the time, and the processor time of the server alone. An eighth of the load goes first, to warm up.
#include "peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

extern char **environ;

enum { patience = 60000, block_size = 65536 };

static struct sockaddr_in address;
static char process[24], block[block_size];
static pid_t server;
static int hold; // the server's standard input

static void start_server(char **command) {
    int input[2], output[2];
    CHECK_ERRNO(pipe2(input, O_CLOEXEC));
    CHECK_ERRNO(pipe2(output, O_CLOEXEC));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input[0], 0);
    posix_spawn_file_actions_adddup2(&actions, output[1], 1);
    errno = posix_spawnp(&server, command[0], &actions, NULL, command, environ);
    if (errno != 0) fail(command[0], NULL);
    close(input[0]);
    close(output[1]);
    hold = input[1];
    char line[16] = "";
    for (size_t length = 0; length < sizeof line - 1 && !strchr(line, '\n'); length++) {
        struct pollfd ready = {.fd = output[0], .events = POLLIN};
        if (poll(&ready, 1, patience) != 1 || read(output[0], line + length, 1) != 1) fail(command[0], "tells no port");
    }
    close(output[0]);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(line)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    snprintf(process, sizeof process, "%d", (int)server);
}

static void end_server(void) {
    int status;
    close(hold);
    CHECK_ERRNO(waitpid(server, &status, 0));
    if (status != 0) fail("the server", "ended with an error");
}

static int connected(int type) {
    int descriptor = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1;
    CHECK_ERRNO(descriptor);
    CHECK_ERRNO(connect(descriptor, (struct sockaddr *)&address, sizeof address));
    if (type == SOCK_STREAM) CHECK_ERRNO(setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    struct timeval limit = {.tv_sec = patience / 1000};
    CHECK_ERRNO(setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    return descriptor;
}

/// Starts the server, calls `run` to warm up and then to measure, and reports.
static void measure(const char *name, long count, char **command, void prepare(void), void run(long)) {
    start_server(command);
    if (prepare) prepare();
    run(count / 8 + 1);
    uint64_t cpu = cpu_time(process), begin = uv_hrtime();
    run(count);
    uint64_t time = uv_hrtime() - begin;
    cpu = cpu_time(process) - cpu;
    end_server();
    report(name, count, time, ",\"parts\":{\"cpu\":%.2f}", (double)cpu / (double)count);
}

static void send_all(int descriptor, size_t size) {
    if (send(descriptor, block, size, 0) != (ssize_t)size) fail("send", "a short write");
}

// Echo. Each connection has one message under way.

static int connections, *descriptors, message_size, epoll;
static int *outstanding; // the bytes that a connection has still to get back

static void connect_all(void) {
    epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK_ERRNO(epoll);
    for (int i = 0; i < connections; i++) {
        descriptors[i] = connected(SOCK_STREAM);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = i};
        CHECK_ERRNO(epoll_ctl(epoll, EPOLL_CTL_ADD, descriptors[i], &event));
    }
}

static void exchange(long count) {
    long begun = 0, left = count;
    for (int i = 0; i < connections && begun < count; i++, begun++) {
        outstanding[i] = message_size;
        send_all(descriptors[i], (size_t)message_size);
    }
    struct epoll_event events[connections];
    while (left > 0) {
        // A single connection waits in its read.
        int ready = connections == 1 ? 1 : epoll_wait(epoll, events, connections, patience);
        if (ready <= 0) fail("echo", "an answer is missing");
        for (int k = 0; k < ready; k++) {
            int i = connections == 1 ? 0 : events[k].data.fd;
            ssize_t got = recv(descriptors[i], block, sizeof block, 0);
            if (got <= 0 || got > outstanding[i]) fail("echo", "the answer is wrong");
            outstanding[i] -= (int)got;
            if (outstanding[i] > 0) continue;
            left--;
            if (begun == count) continue;
            begun++;
            outstanding[i] = message_size;
            send_all(descriptors[i], (size_t)message_size);
        }
    }
}

// usage: load-echo MESSAGES CONNECTIONS SIZE SERVER...
void load_echo(long count, int argc, char **argv) {
    if (argc < 3) fail("load-echo", "usage: load-echo MESSAGES CONNECTIONS SIZE SERVER...");
    connections = atoi(argv[0]);
    message_size = atoi(argv[1]);
    if (connections < 1 || message_size < 1 || message_size > block_size) fail("load-echo", "out of range");
    descriptors = calloc((size_t)connections, sizeof *descriptors);
    outstanding = calloc((size_t)connections, sizeof *outstanding);
    measure("load-echo", count, argv + 2, connect_all, exchange);
}

static void wait_for_end(int descriptor) {
    if (recv(descriptor, block, sizeof block, 0) != 0) fail("the server", "did not close");
    close(descriptor);
}

static void upload(long count) {
    int descriptor = connected(SOCK_STREAM);
    for (long i = 0; i < count; i++) send_all(descriptor, block_size);
    CHECK_ERRNO(shutdown(descriptor, SHUT_WR));
    wait_for_end(descriptor);
}

// usage: load-upload BLOCKS SERVER...: the server reads BLOCKS times 64 KiB.
void load_upload(long count, int argc, char **argv) {
    if (argc < 1) fail("load-upload", "usage: load-upload BLOCKS SERVER...");
    measure("load-upload", count, argv, NULL, upload);
}

static void download(long count) {
    int descriptor = connected(SOCK_STREAM);
    for (long left = count; left > 0; left -= block_size) {
        send_all(descriptor, (size_t)(left < block_size ? left : block_size));
    }
    for (long left = count * block_size; left > 0;) {
        ssize_t got = recv(descriptor, block, sizeof block, 0);
        if (got <= 0 || got > left) fail("download", "bytes are missing");
        left -= got;
    }
    CHECK_ERRNO(shutdown(descriptor, SHUT_WR));
    wait_for_end(descriptor);
}

// usage: load-download BLOCKS SERVER...: the server writes BLOCKS times 64 KiB.
void load_download(long count, int argc, char **argv) {
    if (argc < 1) fail("load-download", "usage: load-download BLOCKS SERVER...");
    measure("load-download", count, argv, NULL, download);
}

// Accepts. A connection finishes sending at once, and is done when the server has closed it too. The oldest is waited
// for while the others go on. Clients have eight addresses, since the ports of one would run out.

enum { in_flight = 16 };

static int visitor(long number) {
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    CHECK_ERRNO(descriptor);
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + number % 8)};
    CHECK_ERRNO(setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on));
    CHECK_ERRNO(bind(descriptor, (struct sockaddr *)&local, sizeof local));
    CHECK_ERRNO(connect(descriptor, (struct sockaddr *)&address, sizeof address));
    CHECK_ERRNO(shutdown(descriptor, SHUT_WR));
    return descriptor;
}

static void visit(long count) {
    int open[in_flight];
    for (long i = 0; i < count + in_flight; i++) {
        if (i >= in_flight) wait_for_end(open[i % in_flight]);
        if (i < count) open[i % in_flight] = visitor(i);
    }
}

// usage: load-accept CONNECTIONS SERVER...
void load_accept(long count, int argc, char **argv) {
    if (argc < 1) fail("load-accept", "usage: load-accept CONNECTIONS SERVER...");
    measure("load-accept", count, argv, NULL, visit);
}

// Datagrams. `window` of them are under way at once; one that has not come back after a second counts as lost.

enum { window = 32 };
static int datagram_size, datagram_socket;
static long lost;

static void connect_datagrams(void) {
    datagram_socket = connected(SOCK_DGRAM);
    struct timeval limit = {.tv_sec = 1};
    CHECK_ERRNO(setsockopt(datagram_socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
}

static void exchange_datagrams(long count) {
    static char bytes[window][block_size];
    struct iovec parts[window];
    struct mmsghdr messages[window];
    for (int i = 0; i < window; i++) {
        parts[i] = (struct iovec){.iov_base = bytes[i], .iov_len = (size_t)datagram_size};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
    }
    long begun = 0, ended = 0;
    while (ended < count) {
        long room = window - (begun - ended), left = count - begun;
        if (room > left) room = left;
        if (room > 0) {
            int sent = sendmmsg(datagram_socket, messages, (unsigned)room, 0);
            CHECK_ERRNO(sent);
            begun += sent;
        }
        int got = recvmmsg(datagram_socket, messages, window, MSG_WAITFORONE, NULL);
        if (got < 0 && errno != EAGAIN) fail("recvmmsg", NULL);
        if (got < 0) {
            lost += begun - ended;
            ended = begun;
        } else {
            ended += got;
        }
    }
    if (lost > count / 100 + window) fail("datagrams", "too many are lost");
}

// usage: load-udp MESSAGES SIZE SERVER...
void load_udp(long count, int argc, char **argv) {
    if (argc < 2) fail("load-udp", "usage: load-udp MESSAGES SIZE SERVER...");
    datagram_size = atoi(argv[0]);
    measure("load-udp", count, argv + 1, connect_datagrams, exchange_datagrams);
}
