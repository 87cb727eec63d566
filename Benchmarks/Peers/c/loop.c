// Ticks, timers, and other threads.
#include "peer.h"

static uv_loop_t loop;
static long left;

static void tick(uv_idle_t *idle) {
    if (--left == 0) uv_close((uv_handle_t *)idle, NULL);
}

void idle_tick(long count, int argc, char **argv) {
    (void)argc, (void)argv;
    uv_idle_t idle;
    CHECK(uv_loop_init(&loop));
    CHECK(uv_idle_init(&loop, &idle));
    CHECK(uv_idle_start(&idle, tick));
    left = count;
    uint64_t begin = now();
    uv_run(&loop, UV_RUN_DEFAULT);
    report("idle-tick", count, now() - begin, "");
    finish_loop(&loop);
}

static void fired(uv_timer_t *timer) {
    (void)timer;
    left--;
}

static void freed(uv_handle_t *handle) { free(handle); }

// Timers are created one by one on the heap, as in a program, and due within a second in an order that repeats.
void timers(long count, int argc, char **argv) {
    (void)argc, (void)argv;
    uv_timer_t **all = malloc((size_t)count * sizeof *all);
    CHECK(uv_loop_init(&loop));
    left = count;
    uint64_t begin = now();
    for (long i = 0; i < count; i++) {
        all[i] = malloc(sizeof **all);
        CHECK(uv_timer_init(&loop, all[i]));
        // Delays count from now, not from the loop's last look at the clock; the order of deadlines is the same for
        // every peer.
        uv_update_time(&loop);
        CHECK(uv_timer_start(all[i], fired, (uint64_t)(i % 100) + 1, 0));
    }
    uint64_t started = now();
    usleep(150 * 1000);
    uint64_t waited = now();
    uv_run(&loop, UV_RUN_DEFAULT);
    uint64_t fire = now() - waited;
    if (left != 0) fail("timers", "not all have fired");
    uint64_t closing = now();
    for (long i = 0; i < count; i++) uv_close((uv_handle_t *)all[i], freed);
    uv_run(&loop, UV_RUN_DEFAULT);
    uint64_t close = now() - closing;
    report("timers", count, started - begin + fire + close,
           ",\"parts\":{\"start\":%.2f,\"fire\":%.2f,\"close\":%.2f}", (double)(started - begin) / (double)count,
           (double)fire / (double)count, (double)close / (double)count);
    finish_loop(&loop);
    free(all);
}

static uv_loop_t other_loop;
static uv_async_t here, there;

static void answer(uv_async_t *async) {
    (void)async;
    if (left == 0) {
        uv_close((uv_handle_t *)&there, NULL);
        return;
    }
    uv_async_send(&here);
}

static void ask(uv_async_t *async) {
    (void)async;
    left--;
    uv_async_send(&there);
    if (left == 0) uv_close((uv_handle_t *)&here, NULL);
}

static void run_other(void *argument) {
    (void)argument;
    uv_run(&other_loop, UV_RUN_DEFAULT);
}

// Two threads, each with a loop, wake one another; an operation is one way there and one back.
void wakeup(long count, int argc, char **argv) {
    (void)argc, (void)argv;
    uv_thread_t thread;
    CHECK(uv_loop_init(&loop));
    CHECK(uv_loop_init(&other_loop));
    CHECK(uv_async_init(&loop, &here, ask));
    CHECK(uv_async_init(&other_loop, &there, answer));
    left = count;
    CHECK(uv_thread_create(&thread, run_other, NULL));
    uint64_t begin = now();
    uv_async_send(&there);
    uv_run(&loop, UV_RUN_DEFAULT);
    uint64_t end = now();
    uv_thread_join(&thread);
    report("wakeup", count, end - begin, "");
    finish_loop(&loop);
    finish_loop(&other_loop);
}

struct job {
    struct job *next;
    void (*run)(struct job *);
};

static uv_mutex_t mutex;
static struct job *first, **last = &first;

static void run_job(struct job *job) {
    (void)job;
    if (--left == 0) uv_close((uv_handle_t *)&here, NULL);
}

static void run_jobs(uv_async_t *async) {
    (void)async;
    uv_mutex_lock(&mutex);
    struct job *job = first;
    first = NULL;
    last = &first;
    uv_mutex_unlock(&mutex);
    while (job) {
        struct job *next = job->next;
        job->run(job);
        free(job);
        job = next;
    }
}

static void produce(void *count) {
    for (long i = *(long *)count; i > 0; i--) {
        struct job *job = malloc(sizeof *job);
        job->next = NULL;
        job->run = run_job;
        uv_mutex_lock(&mutex);
        int was_empty = first == NULL;
        *last = job;
        last = &job->next;
        if (was_empty) uv_async_send(&here);
        uv_mutex_unlock(&mutex);
    }
}

// Another thread submits jobs as fast as it can, and wakes the loop when its queue was empty.
void submit(long count, int argc, char **argv) {
    (void)argc, (void)argv;
    uv_thread_t thread;
    CHECK(uv_loop_init(&loop));
    CHECK(uv_mutex_init(&mutex));
    CHECK(uv_async_init(&loop, &here, run_jobs));
    left = count;
    uint64_t begin = now();
    CHECK(uv_thread_create(&thread, produce, &count));
    uv_run(&loop, UV_RUN_DEFAULT);
    uint64_t end = now();
    uv_thread_join(&thread);
    report("submit", count, end - begin, "");
    finish_loop(&loop);
    uv_mutex_destroy(&mutex);
}
