// A GNU extension that Swift cannot import from libc, since its declaration depends on a feature macro that Swift's
// Glibc module does not set.

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

/// The layout of Linux's kernel, the same on every machine.
struct uvkeeper_limit {
    uint64_t soft;
    uint64_t hard;
};

/// The resources that a process has a limit of.
enum uvkeeper_limited {
    UVKEEPER_FILE_SIZE,
    UVKEEPER_DESCRIPTORS,
};

/// Changes or reads the limit of a process: of its descriptors, or of the size of files it writes. 0 is this process;
/// only Linux reaches others. `changed` and `current` may be NULL. Returns 0, or an error number below 0.
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
