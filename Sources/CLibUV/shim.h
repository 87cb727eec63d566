// Only what Swift cannot import from libuv or libc: variadic functions, version switches, and GNU extensions whose
// declarations depend on a feature macro that Swift's Glibc module does not set. Everything is `static inline`.

#ifndef UVKEEPER_CLIBUV_SHIM_H
#define UVKEEPER_CLIBUV_SHIM_H

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>
#include <uv.h>

#if defined(__linux__)
#include <sys/syscall.h>
#endif

/// `uv_loop_configure` is variadic.
static inline int uvkeeper_loop_measure_idle_time(uv_loop_t *loop) {
    return uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
}

/// `uv_pipe_connect` truncates long names in silence; from 1.46 on libuv can be told not to, and reports errors at once.
static inline int uvkeeper_pipe_connect(uv_connect_t *request, uv_pipe_t *pipe, const char *name, size_t length,
                                        uv_connect_cb callback) {
#if UV_VERSION_HEX >= 0x012E00
    return uv_pipe_connect2(request, pipe, name, length, UV_PIPE_NO_TRUNCATE, callback);
#else
    (void)length;
    uv_pipe_connect(request, pipe, name, callback);
    return 0;
#endif
}

#if defined(__linux__)

/// Peer credentials of a connected unix socket; `struct ucred` needs `_GNU_SOURCE`.
struct uvkeeper_ucred {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);
extern int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *, const char *);

enum {
    UVKEEPER_SPAWN_SETSID = 0x80, // POSIX_SPAWN_SETSID
    UVKEEPER_O_PATH = 010000000,  // O_PATH
    UVKEEPER_OFD_GETLK = 36,      // F_OFD_GETLK
    UVKEEPER_OFD_SETLK = 37,      // F_OFD_SETLK
    UVKEEPER_SO_PEERCRED = 17,    // SO_PEERCRED on every architecture Swift runs on
};

static inline int uvkeeper_accept_nonblocking(int descriptor) {
    return (int)syscall(SYS_accept4, descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static inline int uvkeeper_close_range(unsigned first, unsigned last) {
#ifdef SYS_close_range
    return (int)syscall(SYS_close_range, first, last, 0);
#else
    errno = ENOSYS;
    return -1;
#endif
}

static inline int uvkeeper_pidfd_open(pid_t pid) {
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    errno = ENOSYS;
    return -1;
#endif
}

static inline int uvkeeper_pidfd_send_signal(int pidfd, int signal) {
#ifdef SYS_pidfd_send_signal
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
#else
    errno = ENOSYS;
    return -1;
#endif
}

#endif
#endif
