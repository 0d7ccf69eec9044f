/* Run a language model from one file: this source, a C compiler, and nothing else.

       cc -O3 -march=native -pthread run.c -o run -lm
       ./run parameters.gguf "Once upon a time"

   A language model is two files. The parameters file holds what was learned: a vocabulary and some hundred matrices.
   This is the other one, made for speed; run.py says the same in fewer words. To be read from top to bottom:

       1  the file        names, numbers and packed matrices (GGUF), believed only as far as they are checked
       …

   Axes: s sequence, t positions seen so far, h head, d model width, e head width, f feed-forward width, v vocabulary. */

#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifndef _WIN32
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

/* ── 1  The file ─────────────────────────────────────────────────────────────────────────────────────────────────────
   "GGUF", a version, two counts; named values; each tensor's name, sizes, type and place; then the numbers themselves.
   A file may come from a stranger: every length, count and place is checked against the size of the file before use. */

enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64, N_KINDS };
static const uint8_t KIND_SIZE[N_KINDS] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
enum { MOST_ENTRIES = 1 << 16, MOST_HEADER = 32 << 20 };

typedef struct { const char *at; size_t n; } text; /* UTF-8 as it lies in the file, without a zero at its end */

typedef struct {
    text key;
    int kind, item;       /* of an array, what its items are; of any other value, the same as kind */
    uint64_t count;       /* of an array, how many items there are; else 1 */
    const uint8_t *bytes; /* the (first) item; strings follow each other, see next_text */
} entry;

typedef struct { text name; int n_dims, type; uint64_t sizes[4], offset; } tensor; /* sizes innermost first */

typedef struct {
    const uint8_t *bytes; /* the whole file while it is being loaded; later only the header */
    size_t size, start;   /* the tensors' bytes begin at start */
    int mapped;
    int n_entries, n_tensors;
    entry *entries;
    tensor *tensors;
} gguf;

static _Thread_local char problem[512];

const char *tf_error(void) { return problem; }

static int fail(const char *form, ...) {
    va_list values;
    va_start(values, form);
    vsnprintf(problem, sizeof problem, form, values);
    va_end(values);
    return 0;
}

typedef struct { const uint8_t *at, *end; int bad; } cursor; /* reading past the end gives zeros and sets bad */

static const uint8_t *take(cursor *c, uint64_t n) {
    static const uint8_t zeros[8];
    if (c->bad || n > (uint64_t)(c->end - c->at)) return c->bad = 1, zeros;
    return (c->at += n) - n;
}

static uint32_t take_u32(cursor *c) { uint32_t x; memcpy(&x, take(c, 4), 4); return x; }
static uint64_t take_u64(cursor *c) { uint64_t x; memcpy(&x, take(c, 8), 8); return x; }

static text take_text(cursor *c) {
    uint64_t n = take_u64(c);
    const uint8_t *at = take(c, n);
    return c->bad ? (text){"", 0} : (text){(const char *)at, n};
}

/* The next of an array of strings; *at begins as entry->bytes. All were checked when the file was opened. */
static text next_text(const uint8_t **at) {
    uint64_t n;
    memcpy(&n, *at, 8);
    text one = {(const char *)*at + 8, n};
    *at += 8 + n;
    return one;
}

static int same(text a, const char *b) { return a.n == strlen(b) && !memcmp(a.at, b, a.n); }

static const entry *gguf_get(const gguf *g, const char *key) {
    for (int i = 0; i < g->n_entries; i++)
        if (same(g->entries[i].key, key)) return &g->entries[i];
    return NULL;
}

static const tensor *gguf_tensor(const gguf *g, const char *name) {
    for (int i = 0; i < g->n_tensors; i++)
        if (same(g->tensors[i].name, name)) return &g->tensors[i];
    return NULL;
}

/* Item i of a value of numbers, whatever their kind. */
static double entry_number(const entry *e, uint64_t i) {
    const uint8_t *p = e->bytes + i * KIND_SIZE[e->item];
#define AS(KIND, TYPE) case KIND: { TYPE x; memcpy(&x, p, sizeof x); return (double)x; }
    switch (e->item) {
        AS(U8, uint8_t) AS(I8, int8_t) AS(U16, uint16_t) AS(I16, int16_t) AS(U32, uint32_t) AS(I32, int32_t)
        AS(F32, float) AS(BOOL, uint8_t) AS(U64, uint64_t) AS(I64, int64_t) AS(F64, double)
    }
#undef AS
    return 0;
}

/* A number or a truth value by its key, or `missing`. */
static double gguf_number(const gguf *g, const char *key, double missing) {
    const entry *e = gguf_get(g, key);
    return e && e->kind != STRING && e->kind != ARRAY ? entry_number(e, 0) : missing;
}

static text gguf_text(const gguf *g, const char *key, const char *missing) {
    const entry *e = gguf_get(g, key);
    if (!e || e->kind != STRING) return (text){missing, strlen(missing)};
    const uint8_t *at = e->bytes;
    return next_text(&at);
}

static int read_entry(cursor *c, entry *e) {
    e->key = take_text(c), e->kind = e->item = (int)take_u32(c), e->count = 1;
    if (e->kind == ARRAY) e->item = (int)take_u32(c), e->count = take_u64(c);
    e->bytes = c->at;
    if ((unsigned)e->item >= N_KINDS || e->item == ARRAY) return 0;
    if (e->item != STRING) take(c, e->count <= MOST_HEADER ? e->count * KIND_SIZE[e->item] : UINT64_MAX);
    for (uint64_t i = 0; e->item == STRING && i < e->count && !c->bad; i++) take_text(c);
    return !c->bad;
}

static int read_tensor(cursor *c, tensor *t) {
    t->name = take_text(c);
    uint32_t n = take_u32(c);
    if (n < 1 || n > 4) return 0;
    t->n_dims = (int)n;
    uint64_t numbers = 1;
    for (int i = 0; i < 4; i++) {
        t->sizes[i] = i < t->n_dims ? take_u64(c) : 1;
        if (t->sizes[i] < 1 || t->sizes[i] > INT32_MAX || (numbers *= t->sizes[i]) > (uint64_t)1 << 40) return 0;
    }
    t->type = (int)take_u32(c), t->offset = take_u64(c);
    return !c->bad;
}

static void gguf_close(gguf *g) {
    if (!g) return;
#ifndef _WIN32
    if (g->mapped > 0) munmap((void *)g->bytes, g->size);
#endif
    if (!g->mapped) free((void *)g->bytes);
    free(g->entries), free(g->tensors), free(g);
}

/* Reads the header of g->bytes. 1, or 0 with a message. */
static int gguf_read(gguf *g, const char *name) {
    cursor c = {g->bytes, g->bytes + g->size, 0};
    if (g->size < 24 || memcmp(take(&c, 4), "GGUF", 4)) return fail("%s is not a GGUF file", name);
    uint32_t version = take_u32(&c);
    uint64_t n_tensors = take_u64(&c), n_entries = take_u64(&c);
    if (version != 2 && version != 3) return fail("%s is GGUF version %u; versions 2 and 3 are read", name, version);
    if (n_tensors > MOST_ENTRIES || n_entries > MOST_ENTRIES)
        return fail("%s is damaged: it claims %" PRIu64 " values and %" PRIu64 " tensors", name, n_entries, n_tensors);
    if (g->size > MOST_HEADER) c.end = g->bytes + MOST_HEADER;
    g->entries = calloc(n_entries + 1, sizeof *g->entries), g->tensors = calloc(n_tensors + 1, sizeof *g->tensors);
    if (!g->entries || !g->tensors) return fail("out of memory");
    for (; g->n_entries < (int)n_entries; g->n_entries++)
        if (!read_entry(&c, &g->entries[g->n_entries]))
            return fail("%s is truncated or damaged near byte %zu: its value %d makes no sense", name,
                        (size_t)(c.at - g->bytes), g->n_entries + 1);
    for (; g->n_tensors < (int)n_tensors; g->n_tensors++)
        if (!read_tensor(&c, &g->tensors[g->n_tensors]))
            return fail("%s is truncated or damaged near byte %zu: its tensor %d makes no sense", name,
                        (size_t)(c.at - g->bytes), g->n_tensors + 1);
    double align = gguf_number(g, "general.alignment", 32);
    if (!(align >= 1 && align <= 1 << 20) || ((int)align & ((int)align - 1)))
        return fail("%s is damaged: general.alignment is %g", name, align);
    size_t a = (size_t)align;
    g->start = ((size_t)(c.at - g->bytes) + a - 1) / a * a;
    if (g->start > g->size) g->start = g->size;
    return 1;
}

/* The file at a path, or n bytes in memory (path NULL), which must stay until gguf_keep_header. */
static gguf *gguf_open(const char *path, const void *bytes, size_t n) {
    gguf *g = calloc(1, sizeof *g);
    if (!g) return fail("out of memory"), NULL;
    g->bytes = bytes, g->size = n, g->mapped = -1; /* -1: not ours to free */
    if (path) {
#ifdef _WIN32
        FILE *file = fopen(path, "rb");
        if (file) _fseeki64(file, 0, SEEK_END), g->size = (size_t)_ftelli64(file), rewind(file);
        g->mapped = 0, g->bytes = file ? malloc(g->size + 1) : NULL;
        int sound = g->bytes && fread((void *)g->bytes, 1, g->size, file) == g->size;
        if (file) fclose(file);
#else
        struct stat about;
        int file = open(path, O_RDONLY | O_CLOEXEC), sound = file >= 0 && !fstat(file, &about);
        if (sound && !S_ISREG(about.st_mode)) sound = 0, errno = S_ISDIR(about.st_mode) ? EISDIR : EINVAL;
        if (sound && (g->size = (size_t)about.st_size)) {
            g->bytes = mmap(NULL, g->size, PROT_READ, MAP_PRIVATE, file, 0);
            sound = g->bytes != MAP_FAILED, g->mapped = sound;
        }
        if (file >= 0) close(file);
#endif
        if (!sound) return fail("cannot read %s: %s", path, strerror(errno)), free(g), NULL;
    }
    if (!gguf_read(g, path ? path : "the buffer")) return gguf_close(g), NULL;
    return g;
}
