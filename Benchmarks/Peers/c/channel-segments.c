// Output kept in files of equal size, each named by the offset of its first byte; the oldest are removed.
#include "channel.h"

#include <fcntl.h>

uint64_t kept_start, kept_end;
static uint64_t segment_size, kept_limit, current_start, read_start;
static const char *prefix;
static int current = -1, being_read = -1;

void keep_in(const char *path, uint64_t limit) {
    prefix = path;
    kept_limit = limit;
    segment_size = limit / 16 < 65536 ? 65536 : limit / 16 > 1 << 20 ? 1 << 20 : limit / 16;
}

static const char *segment_path(uint64_t start) {
    static char path[600];
    snprintf(path, sizeof path, "%s.out.%020llu", prefix, (unsigned long long)start);
    return path;
}

void keep(const char *bytes, size_t count) {
    while (count > 0) {
        if (current < 0) {
            current_start = kept_end;
            current = open(segment_path(kept_end), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
            CHECK_ERRNO(current);
        }
        size_t room = segment_size - (kept_end - current_start), part = count < room ? count : room;
        if (write(current, bytes, part) != (ssize_t)part) fail("write", "a segment was not written");
        bytes += part, count -= part, kept_end += part;
        if (part == room) {
            close(current);
            current = -1;
        }
        for (; kept_end - kept_start > kept_limit + segment_size; kept_start += segment_size) {
            unlink(segment_path(kept_start));
        }
    }
}

size_t read_kept(uint64_t offset, char *bytes, size_t size) {
    uint64_t start = offset / segment_size * segment_size;
    if (being_read < 0 || read_start != start) {
        if (being_read >= 0) close(being_read);
        being_read = open(segment_path(start), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        CHECK_ERRNO(being_read);
        read_start = start;
    }
    ssize_t count = pread(being_read, bytes, size, (off_t)(offset - start));
    if (count <= 0) fail("pread", "a segment has no bytes");
    return (size_t)count;
}

void remove_kept(void) {
    for (; kept_start < kept_end; kept_start += segment_size) unlink(segment_path(kept_start));
}
