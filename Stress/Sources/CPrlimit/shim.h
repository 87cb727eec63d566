// Only what Swift cannot import from libc: a GNU extension whose declaration depends on a feature macro that Swift's Glibc
// module does not set.

#ifndef UVKEEPER_CPRLIMIT_SHIM_H
#define UVKEEPER_CPRLIMIT_SHIM_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/syscall.h>
#else
#include <sys/resource.h>
#endif

/// As the kernel of Linux lays it out, on every machine.
struct uvkeeper_limit {
    uint64_t soft;
    uint64_t hard;
};

/// What a process has a limit on.
enum uvkeeper_limited {
    UVKEEPER_FILE_SIZE,
    UVKEEPER_DESCRIPTORS,
};

/// How many descriptors a process may have, or how long it may make a file; 0 is this one, and only Linux reaches others.
/// `changed` and `current` may be NULL. Returns 0, or an error number below 0.
static inline int uvkeeper_process_limit(enum uvkeeper_limited limited, pid_t pid, const struct uvkeeper_limit *changed,
                                         struct uvkeeper_limit *current) {
#if defined(__linux__)
    int resource = limited == UVKEEPER_FILE_SIZE ? 1 /* RLIMIT_FSIZE */ : 7 /* RLIMIT_NOFILE */;
    return syscall(SYS_prlimit64, pid, resource, changed, current) == 0 ? 0 : -errno;
#else
    int resource = limited == UVKEEPER_FILE_SIZE ? RLIMIT_FSIZE : RLIMIT_NOFILE;
    struct rlimit limit;
    if (pid != 0) return -ENOSYS;
    if (current != NULL) {
        if (getrlimit(resource, &limit) != 0) return -errno;
        current->soft = limit.rlim_cur;
        current->hard = limit.rlim_max;
    }
    if (changed == NULL) return 0;
    limit.rlim_cur = changed->soft;
    limit.rlim_max = changed->hard;
    return setrlimit(resource, &limit) == 0 ? 0 : -errno;
#endif
}

#endif
