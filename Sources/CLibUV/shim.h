// Functions that Swift cannot import from libuv or libc: variadic ones, and GNU extensions whose declarations depend on
// a feature macro that Swift's Glibc module does not set; and a few small ones that are easier in C. All are `static
// inline`.

#ifndef UVLOOP_CLIBUV_SHIM_H
#define UVLOOP_CLIBUV_SHIM_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#if defined(__linux__)
#include <sys/sendfile.h>
#endif
#include <sys/types.h>
#include <unistd.h>
#include <uv.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#if defined(__linux__)
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#endif

/// POLLRDHUP, which needs `_GNU_SOURCE`; 0 on a system without it.
#if defined(__linux__)
#define UVLOOP_POLLRDHUP 0x2000
#else
#define UVLOOP_POLLRDHUP 0
#endif

/// Returns `errno`, a macro over a function call.
static inline int uvloop_errno(void) {
    return errno;
}

/// Calls `uv_loop_configure`, which is variadic.
static inline int uvloop_loop_measure_idle_time(uv_loop_t *loop) {
    return uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
}

/// Returns the next name in a directory, without `.` and `..`. NULL at its end, with errno 0, and on an error.
static inline const char *uvloop_next_name(DIR *directory) {
    struct dirent *entry;
    do {
        errno = 0;
        entry = readdir(directory);
        if (entry == NULL) return NULL;
    } while (entry->d_name[0] == '.' &&
             (entry->d_name[1] == 0 || (entry->d_name[1] == '.' && entry->d_name[2] == 0)));
    return entry->d_name;
}

/// Ignores a signal by `SIG_IGN`, which is a cast.
static inline int uvloop_ignore_signal(int number) {
    return signal(number, SIG_IGN) == SIG_ERR ? -1 : 0;
}

/// Takes away the handler of a signal that is not ignored.
static inline int uvloop_restore_default_signal(int number) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) == -1) return -1;
    if (!(action.sa_flags & SA_SIGINFO) && action.sa_handler == SIG_IGN) return 0;
    return signal(number, SIG_DFL) == SIG_ERR ? -1 : 0;
}

#if defined(__linux__)
/// Ignores a signal that the C library keeps for itself, and so refuses to ignore, by the kernel's call. The kernel's
/// structure begins with the handler; flags, restorer and mask are empty.
static inline int uvloop_ignore_reserved_signal(int number) {
    unsigned long action[4] = {(unsigned long)SIG_IGN};
    return (int)syscall(SYS_rt_sigaction, number, action, NULL, (size_t)8);
}
#endif

/// Makes freed blocks of 128 KiB and more always go back to the system. glibc would raise this bound by itself, up to
/// 32 MiB, and keep smaller blocks.
static inline void uvloop_give_back_large_memory(void) {
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
#endif
}

/// Returns freed memory to the system, as far as whole pages of it are free.
static inline void uvloop_give_back_free_memory(void) {
#if defined(__GLIBC__)
    malloc_trim(0);
#endif
}

/// Opens `/dev/null` by `open`, which is variadic.
static inline int uvloop_open_null(void) {
    return open("/dev/null", O_RDWR);
}

/// The same for a descriptor on which every write is to fail.
static inline int uvloop_open_null_for_reading(void) {
    return open("/dev/null", O_RDONLY);
}

/// Returns the number of characters in a row of a terminal; 0 if unknown. `ioctl` is variadic.
static inline int uvloop_columns(int descriptor) {
    struct winsize size;
    return ioctl(descriptor, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/// Returns `environ`, a mutable global.
static inline char **uvloop_environ(void) {
    extern char **environ;
    return environ;
}

/// Finds the program's arguments in the place where the kernel put them on Linux: count, pointers, NULL, and then the
/// environment, which leads back to them as long as it has not been replaced. Returns -1 if they are not there.
static inline int uvloop_initial_arguments(char ***arguments) {
#if defined(__linux__)
    char **first = uvloop_environ();
    if (first == NULL || first[-1] != NULL) return -1;
    for (long count = 0; count < (1 << 20); count++) {
        // A pointer is never as small as a count.
        long before = (long)first[-2 - count];
        if (before == count) {
            *arguments = first - 1 - count;
            return (int)count;
        }
        if (before > 0 && before < 4096) return -1;
    }
#endif
    (void)arguments;
    return -1;
}

/// Variants of `socket` and `accept` whose descriptor is close-on-exec and non-blocking, in one step if the system can.
#if defined(__linux__)
static inline int uvloop_socket(void) {
    return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static inline int uvloop_tcp_socket(int family) {
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static inline int uvloop_udp_socket(int family) {
    return socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static inline int uvloop_accept(int descriptor) {
    return (int)syscall(SYS_accept4, descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
#else
static inline int uvloop_prepared(int descriptor) {
    if (descriptor >= 0) {
        fcntl(descriptor, F_SETFD, FD_CLOEXEC);
        fcntl(descriptor, F_SETFL, O_NONBLOCK);
#ifdef SO_NOSIGPIPE
        int on = 1;
        setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
#endif
    }
    return descriptor;
}

static inline int uvloop_socket(void) {
    return uvloop_prepared(socket(AF_UNIX, SOCK_STREAM, 0));
}

static inline int uvloop_tcp_socket(int family) {
    return uvloop_prepared(socket(family, SOCK_STREAM, 0));
}

static inline int uvloop_udp_socket(int family) {
    return uvloop_prepared(socket(family, SOCK_DGRAM, 0));
}

static inline int uvloop_accept(int descriptor) {
    return uvloop_prepared(accept(descriptor, NULL, NULL));
}
#endif

/// The value of `SOCK_STREAM`, an enumerator in glibc.
static const int uvloop_stream_socket_type = SOCK_STREAM;

/// The type of a socket; -1 with errno on failure.
static inline int uvloop_socket_type(int descriptor) {
    int type = -1;
    socklen_t size = sizeof(type);
    return getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 ? type : -1;
}

/// Makes a descriptor close-on-exec. `fcntl` is variadic.
static inline int uvloop_close_on_exec(int descriptor) {
    int flags = fcntl(descriptor, F_GETFD);
    return flags < 0 ? -1 : fcntl(descriptor, F_SETFD, flags | FD_CLOEXEC);
}

/// True if `accept` failed with this negative errno because of one client, who has gone. Linux reports the network's
/// errors of such a connection by `accept`.
static inline int uvloop_is_error_of_client(int error) {
    switch (-error) {
    case ECONNABORTED:
    case EPROTO:
#if defined(__linux__)
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
#endif
        return 1;
    default: return 0;
    }
}

/// The process that listens at the other end of a connected unix socket, and its user and group; each -1 if the system
/// does not tell.
struct uvloop_peer {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

static inline struct uvloop_peer uvloop_peer(int descriptor) {
    struct uvloop_peer peer = {-1, (uid_t)-1, (gid_t)-1};
#if defined(__linux__)
    // The layout is that of struct ucred, which needs _GNU_SOURCE.
    socklen_t size = sizeof(peer);
    getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size);
#elif defined(__APPLE__)
    socklen_t size = sizeof(peer.pid);
    getsockopt(descriptor, 0 /* SOL_LOCAL */, 2 /* LOCAL_PEERPID */, &peer.pid, &size);
    getpeereid(descriptor, &peer.uid, &peer.gid);
#else
    (void)descriptor;
#endif
    return peer;
}

/// Returns libuv's number for a result of `getaddrinfo` or `getnameinfo`, which each system numbers in its own way.
/// Must be called at once, since one result means "see errno". libuv's own table is not exported.
static inline int uvloop_name_error(int status) {
    switch (status) {
    case 0: return 0;
    case EAI_AGAIN: return UV_EAI_AGAIN;
    case EAI_BADFLAGS: return UV_EAI_BADFLAGS;
    case EAI_FAIL: return UV_EAI_FAIL;
    case EAI_FAMILY: return UV_EAI_FAMILY;
    case EAI_MEMORY: return UV_EAI_MEMORY;
    case EAI_NONAME: return UV_EAI_NONAME;
    case EAI_OVERFLOW: return UV_EAI_OVERFLOW;
    case EAI_SERVICE: return UV_EAI_SERVICE;
    case EAI_SOCKTYPE: return UV_EAI_SOCKTYPE;
    case EAI_SYSTEM: return errno == 0 ? UV_EAI_FAIL : uv_translate_sys_error(errno);
#if defined(__linux__)
    // The declarations need _GNU_SOURCE; musl has the same numbers.
    case -5 /* EAI_NODATA */: return UV_EAI_NODATA;
    case -9 /* EAI_ADDRFAMILY */: return UV_EAI_ADDRFAMILY;
#else
#ifdef EAI_NODATA
    case EAI_NODATA: return UV_EAI_NODATA;
#endif
#ifdef EAI_ADDRFAMILY
    case EAI_ADDRFAMILY: return UV_EAI_ADDRFAMILY;
#endif
#ifdef EAI_BADHINTS
    case EAI_BADHINTS: return UV_EAI_BADHINTS;
#endif
#ifdef EAI_PROTOCOL
    case EAI_PROTOCOL: return UV_EAI_PROTOCOL;
#endif
#endif
    }
    return UV_EAI_FAIL;
}

/// Finds the addresses of a name. The socket type is given, so that each comes once. Returns 0, or an error of libuv's.
static inline int uvloop_getaddrinfo(const char *host, int family, struct addrinfo **result) {
    struct addrinfo hints;
    memset(&hints, 0, sizeof(hints));
    hints.ai_family = family;
    hints.ai_socktype = SOCK_STREAM;
    errno = 0;
    return uvloop_name_error(getaddrinfo(host, NULL, &hints, result));
}

/// Finds the name of an address. Returns 0, or an error of libuv's.
static inline int uvloop_getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size,
                                       char *service, socklen_t service_size) {
    errno = 0;
    return uvloop_name_error(getnameinfo(address, length, host, host_size, service, service_size, 0));
}

/// Starts a detached thread to which no signal is delivered, from its first moment on: it inherits the mask of the
/// thread that makes it. Returns 0, or an errno.
static inline int uvloop_start_detached_thread(void *(*body)(void *), void *argument) {
    pthread_attr_t attributes;
    int status = pthread_attr_init(&attributes);
    if (status != 0) return status;
    // The call cannot fail: the values are valid.
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    status = pthread_create(&thread, &attributes, body, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return status;
}

/// Commands for record locks on a whole file. `fcntl` is variadic, and the OFD commands need `_GNU_SOURCE`.
enum {
#if defined(__linux__)
    UVLOOP_DESCRIPTION_GETLK = 36, // F_OFD_GETLK
    UVLOOP_DESCRIPTION_SETLK = 37, // F_OFD_SETLK
#else
    UVLOOP_DESCRIPTION_GETLK = F_GETLK,
    UVLOOP_DESCRIPTION_SETLK = F_SETLK,
#endif
};

/// Takes an exclusive lock that belongs to this process, without waiting.
static inline int uvloop_lock_for_process(int descriptor) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(descriptor, F_SETLK, &lock);
}

/// Takes an exclusive lock that belongs to this open file description, without waiting.
static inline int uvloop_lock_for_description(int descriptor) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(descriptor, UVLOOP_DESCRIPTION_SETLK, &lock);
}

/// Returns 0 if nobody holds a lock, an exclusive one if `type` is `F_RDLCK`, any if it is `F_WRLCK`; 1 if a lock is
/// held, with the holder's pid in `holder`, or -1 there if a description holds it; -1 on an error.
static inline int uvloop_lock_holder(int descriptor, int type, pid_t *holder) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    if (fcntl(descriptor, UVLOOP_DESCRIPTION_GETLK, &lock) == -1) return -1;
    if (lock.l_type == F_UNLCK) return 0;
    *holder = lock.l_pid;
    return 1;
}

/// Returns the mode in which the descriptor was opened: `O_RDONLY`, `O_WRONLY` or `O_RDWR`; a negative number on
/// failure. `fcntl` is variadic.
static inline int uvloop_access_mode(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    return flags < 0 ? flags : flags & O_ACCMODE;
}

/// Returns the number of bytes that wait to be read; -1 if unknown. `ioctl` is variadic.
static inline int uvloop_unread_byte_count(int descriptor) {
    int count = 0;
    return ioctl(descriptor, FIONREAD, &count) == 0 ? count : -1;
}

/// Returns the number of bytes that a pipe can hold; -1 if unknown.
static inline int uvloop_pipe_capacity(int descriptor) {
#ifdef F_GETPIPE_SZ
    return fcntl(descriptor, F_GETPIPE_SZ);
#else
    (void)descriptor;
    return -1;
#endif
}

/// Returns a duplicate of the descriptor, close-on-exec, numbered `lowest` or higher. `fcntl` is variadic.
static inline int uvloop_duplicate(int descriptor, int lowest) {
    return fcntl(descriptor, F_DUPFD_CLOEXEC, lowest);
}

/// Read and write extended attributes of an open file; macOS has two more arguments.
static inline int uvloop_set_attribute(int descriptor, const char *name, const void *value, size_t size) {
#if defined(__APPLE__)
    return fsetxattr(descriptor, name, value, size, 0, 0);
#else
    return fsetxattr(descriptor, name, value, size, 0);
#endif
}

static inline ssize_t uvloop_attribute(int descriptor, const char *name, void *value, size_t size) {
#if defined(__APPLE__)
    return fgetxattr(descriptor, name, value, size, 0, 0);
#else
    return fgetxattr(descriptor, name, value, size);
#endif
}

/// Reads an extended attribute of a file or directory by its path, not of what a symbolic link names.
static inline ssize_t uvloop_path_attribute(const char *path, const char *name, void *value, size_t size) {
#if defined(__APPLE__)
    return getxattr(path, name, value, size, 0, XATTR_NOFOLLOW);
#else
    return lgetxattr(path, name, value, size);
#endif
}

/// Opens a directory within an open directory, not through a symbolic link, for looking at it and for further look-ups.
/// Needs no permission to read it if the system allows that. `openat` is variadic, and O_PATH needs `_GNU_SOURCE`.
static inline int uvloop_open_directory_at(int directory, const char *name) {
#if defined(__linux__)
    return openat(directory, name, 010000000 /* O_PATH */ | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
#else
    return openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
#endif
}

/// Changes the owner of a directory that uvloop_open_directory_at has opened.
static inline int uvloop_own_directory(int directory, uid_t owner, gid_t group) {
#if defined(__linux__)
    return fchownat(directory, "", owner, group, 0x1000 /* AT_EMPTY_PATH */);
#else
    return fchown(directory, owner, group);
#endif
}

/// Reads the access list of a directory, the permissions beside those of owner, group and others, in Linux's format.
/// Returns -1 with errno on failure: ENODATA if there is no list, ENOTSUP if the file system has none. The descriptor
/// may be an O_PATH one.
static inline ssize_t uvloop_access_list(int directory, void *value, size_t size) {
#if defined(__linux__)
    static const char attribute[] = "system.posix_acl_access";
    int readable = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (readable >= 0) {
        ssize_t count = fgetxattr(readable, attribute, value, size);
        int error = errno;
        close(readable);
        errno = error;
        return count;
    }
    if (errno != EACCES) return -1;
    // A directory that may be entered but not read is asked by its name in /proc, if that is mounted.
    char name[32];
    snprintf(name, sizeof name, "/proc/self/fd/%d", directory);
    return getxattr(name, attribute, value, size);
#else
    (void)directory, (void)value, (void)size;
    errno = ENOTSUP;
    return -1;
#endif
}

/// True if this process has a child, even an ended one: 1, 0, or -1 with errno.
static inline int uvloop_has_children(void) {
    siginfo_t info;
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0) return 1;
    return errno == ECHILD ? 0 : -1;
}

/// Returns the pid of an ended child without collecting its status; 0 if there is none.
static inline pid_t uvloop_ended_child(void) {
    siginfo_t info;
    info.si_pid = 0;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 ? info.si_pid : 0;
}

/// True if the process is a child of this one and has not ended.
static inline int uvloop_is_running_child(pid_t pid) {
    siginfo_t info;
    info.si_pid = 0;
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

/// A counter that a poller can wait for, close-on-exec and non-blocking; -1 on a system without it.
static inline int uvloop_eventfd(void) {
#if defined(__linux__)
    return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
#else
    errno = ENOSYS;
    return -1;
#endif
}

/// Return the calling thread's number, and if this process has a thread of that number. Numbers exist on Linux only.
static inline int uvloop_thread_id(void) {
#if defined(__linux__)
    return (int)syscall(SYS_gettid);
#else
    return 0;
#endif
}

static inline int uvloop_thread_exists(int thread) {
#if defined(__linux__)
    return syscall(SYS_tgkill, getpid(), thread, 0) == 0;
#else
    (void)thread;
    return 0;
#endif
}

#if defined(__linux__)

/// Opens a queue of file events, non-blocking and close-on-exec; the flags are an enumeration in one C library and
/// macros in another.
static inline int uvloop_event_queue(void) {
    return inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
}

/// Returns the number of the file system's type, which has 32 bits whatever its C type; 0 if unknown.
static inline uint32_t uvloop_file_system(const char *path) {
    struct statfs status;
    return statfs(path, &status) == 0 ? (uint32_t)status.f_type : 0;
}

/// Adds a descriptor to an epoll instance, for errors only. Returns 0 even if it is there already.
static inline int uvloop_reserve_watch(int epoll, int descriptor) {
    struct epoll_event event = {.events = 0, .data = {.fd = descriptor}};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 || errno == EEXIST ? 0 : -1;
}

/// Registers a stream that has just begun to read at once, not at libuv's next poll: by the same system call, with the
/// same state after it (`events` is the kernel's state, and the watcher is off the queue of changed ones), in all of
/// libuv 1. Returns 0 even if the stream is registered already, or epoll has its descriptor: libuv's poll then sets it
/// right.
static inline int uvloop_take_watch(uv_stream_t *stream) {
    uv__io_t *watcher = &stream->io_watcher;
    if (watcher->events != 0) return 0;
    struct epoll_event event = {.events = watcher->pevents, .data = {.fd = watcher->fd}};
    if (epoll_ctl(stream->loop->backend_fd, EPOLL_CTL_ADD, watcher->fd, &event) != 0) return errno == EEXIST ? 0 : -1;
    watcher->events = watcher->pevents;
    // The queue is two pointers, next and previous; arrays until 1.46, a struct since.
    void **queue = (void **)&watcher->watcher_queue;
    ((void **)queue[1])[0] = queue[0];
    ((void **)queue[0])[1] = queue[1];
    queue[0] = queue[1] = queue;
    return 0;
}

extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);
extern int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *, const char *);
extern int pthread_setname_np(pthread_t, const char *);

enum {
    UVLOOP_SPAWN_SETSID = 0x80, // POSIX_SPAWN_SETSID
};

static inline int uvloop_close_range(unsigned first, unsigned last) {
#ifdef SYS_close_range
    return (int)syscall(SYS_close_range, first, last, 0);
#else
    errno = ENOSYS;
    return -1;
#endif
}

static inline int uvloop_pidfd_open(pid_t pid) {
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    errno = ENOSYS;
    return -1;
#endif
}

// Waits for the process of a pidfd, without blocking. Returns 1 and the status in waitpid's form if it has ended, 0 if
// it runs, -1 with errno if its status was collected by other code.
static inline int uvloop_pidfd_wait(int pidfd, int *status) {
    siginfo_t info;
    info.si_pid = 0;
    if (waitid((idtype_t)3 /* P_PIDFD */, (id_t)pidfd, &info, WEXITED | WNOHANG) != 0) return -1;
    if (info.si_pid == 0) return 0;
    *status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status & 0x7f;
    return 1;
}

/// Sends a signal with a value, like `sigqueue`, to the process of a pidfd.
static inline int uvloop_pidfd_queue_signal(int pidfd, int signal, uint64_t value) {
#ifdef SYS_pidfd_send_signal
    siginfo_t info;
    memset(&info, 0, sizeof(info));
    info.si_signo = signal;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_ptr = (void *)(uintptr_t)value;
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, &info, 0);
#else
    errno = ENOSYS;
    return -1;
#endif
}

static inline int uvloop_queue_signal(pid_t pid, int signal, uint64_t value) {
    union sigval packed;
    packed.sival_ptr = (void *)(uintptr_t)value;
    return sigqueue(pid, signal, packed);
}

/// Sends a signal to the process group that the pidfd's process leads: Linux 6.9 and later, EINVAL before.
static inline int uvloop_pidfd_signal_group(int pidfd, int signal) {
#ifdef SYS_pidfd_send_signal
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 4u /* PIDFD_SIGNAL_PROCESS_GROUP */);
#else
    errno = ENOSYS;
    return -1;
#endif
}

/// Returns a pidfd of the process that listens at the other end of a connected unix socket: Linux 6.5 and later.
static inline int uvloop_peer_pidfd(int descriptor) {
    int pidfd = -1;
    socklen_t size = sizeof(pidfd);
    return getsockopt(descriptor, SOL_SOCKET, 77 /* SO_PEERPIDFD */, &pidfd, &size) == 0 ? pidfd : -1;
}

/// Makes this process a subreaper. `prctl` is variadic.
static inline int uvloop_become_subreaper(void) {
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

enum {
#ifdef __APPLE__
    UVLOOP_RENAME_NEW = RENAME_EXCL,
    UVLOOP_RENAME_EXCHANGE = RENAME_SWAP,
#else
    UVLOOP_RENAME_NEW = 1, // RENAME_NOREPLACE
    UVLOOP_RENAME_EXCHANGE = 2, // RENAME_EXCHANGE
#endif
};

/// A rename that replaces nothing, or exchanges two names. Not in every C library.
static inline int uvloop_rename(const char *path, const char *new_path, unsigned flags) {
#if defined(__APPLE__)
    return renamex_np(path, new_path, flags);
#elif defined(SYS_renameat2)
    return (int)syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, new_path, flags);
#else
    errno = ENOSYS;
    return -1;
#endif
}

/// Takes room for the first bytes of a file, whose size stays as it is.
static inline int uvloop_allocate(int descriptor, long long size) {
#ifdef __linux__
    return (int)syscall(SYS_fallocate, descriptor, 1 /* FALLOC_FL_KEEP_SIZE */, 0LL, size);
#else
    errno = ENOTSUP;
    return -1;
#endif
}

/// The next bytes of a file that are no hole: returns where they begin, and sets where they end. The place of the descriptor stays.
static inline long long uvloop_next_data(int descriptor, long long offset, long long *end) {
#ifdef __APPLE__
    const int data = SEEK_DATA, hole = SEEK_HOLE;
#elif defined(__linux__)
    const int data = 3, hole = 4; // Not every C library names them.
#else
    errno = EINVAL;
    return -1;
#endif
#if defined(__APPLE__) || defined(__linux__)
    const off_t place = lseek(descriptor, 0, SEEK_CUR);
    if (place < 0) return -1;
    const off_t start = lseek(descriptor, (off_t)offset, data);
    if (start >= 0) *end = lseek(descriptor, start, hole);
    const int error = errno;
    lseek(descriptor, place, SEEK_SET);
    errno = error;
    return start < 0 || *end < 0 ? -1 : start;
#endif
}

/// Makes a file in anonymous memory, for handing it to another program without a name. Not every C library has the
/// call.
static inline int uvloop_memory_file(const char *name) {
#ifdef SYS_memfd_create
    return (int)syscall(SYS_memfd_create, name, 1u /* MFD_CLOEXEC */);
#else
    errno = ENOSYS;
    return -1;
#endif
}

static inline int uvloop_pidfd_send_signal(int pidfd, int signal) {
#ifdef SYS_pidfd_send_signal
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
#else
    errno = ENOSYS;
    return -1;
#endif
}

#endif
/// Sends a part of a file, like Linux's `sendfile(2)`.
static inline ssize_t uvloop_sendfile(int sink, int source, off_t *offset, size_t count) {
#if defined(__linux__)
    return sendfile(sink, source, offset, count);
#else
    (void)sink, (void)source, (void)offset, (void)count;
    errno = ENOSYS;
    return -1;
#endif
}

#endif
