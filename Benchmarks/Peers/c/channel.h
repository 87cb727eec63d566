// The session channel in C: the common part of its keeper, channel-keeper.c, and its client, channel-client.c.
#ifndef CHANNEL_H
#define CHANNEL_H

#include "peer.h"

/// Sizes: the longest message with its payload, one read, the room for the header before a chunk of output, and a
/// chunk. A child writes 512 chunks at a time: 32 MiB, which is less than is kept.
enum { longest_message = 131072, read_size = 65536, headroom = 64, chunk_size = 65536, chunks_at_a_time = 512 };

/// Writes a decimal number and returns its end. `snprintf` would take most of the time of a small line.
static inline char *put_number(char *to, uint64_t number) {
    char digits[20];
    int count = 0;
    do digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (count > 0) *to++ = digits[--count];
    return to;
}

static inline char *put_text(char *to, const char *text) {
    size_t length = strlen(text);
    memcpy(to, text, length);
    return to + length;
}

/// Reads a decimal number that ends with a space or a newline, and moves behind that byte.
static inline uint64_t take_number(const char **from) {
    uint64_t number = 0;
    for (; **from >= '0' && **from <= '9'; (*from)++) number = number * 10 + (uint64_t)(**from - '0');
    if (**from != ' ' && **from != '\n') fail("channel", "a number is malformed");
    (*from)++;
    return number;
}

static inline int begins_with(const char *text, const char *prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

/// The range of the kept output, which changes as more comes.
extern uint64_t kept_start, kept_end;
/// Keeps `limit` bytes, and at most one segment more, in files whose names begin with `path`.
void keep_in(const char *path, uint64_t limit);
void keep(const char *bytes, size_t count);
/// Reads kept output from an offset within the range, at most to the end of its segment.
size_t read_kept(uint64_t offset, char *bytes, size_t size);
void remove_kept(void);

#endif
