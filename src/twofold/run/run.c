/* Run a language model from one file: this source, a C compiler, and nothing else.

       cc -O3 -march=native -pthread run.c -o run -lm
       ./run parameters.gguf "Once upon a time"

   A language model is two files. The parameters file holds what was learned: a vocabulary and some hundred matrices.
   This is the other one, made for speed; run.py says the same in fewer words. To be read from top to bottom:

       1  the file        names, numbers and packed matrices (GGUF), believed only as far as they are checked
       2  the tokenizer   text -> ids, and back
       3  threads         how the cores share a piece of work
       4  vectors         sixteen numbers at a time, on any processor
       5  weights         a dozen packed forms, laid out anew for speed
       6  products        matrix times vectors: where the time goes
       7  the model       what the file says of its shape
       8  memory          the keys and values of what was read
       9  attention       what earlier positions bring in
      10  the pass        ids -> a score for every token that may come next
      11  the choice      scores -> one token; it joins the text, and again from 10
      12  the command     what to run, how a conversation goes, and how it is shown

   Axes: s sequence, t positions seen so far, h head, d model width, e head width, f feed-forward, v vocabulary. */

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifndef _WIN32
#include <sys/mman.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

INLINE float from_bits(uint32_t bits) { float x; memcpy(&x, &bits, 4); return x; }
INLINE uint32_t to_bits(float x) { uint32_t bits; memcpy(&bits, &x, 4); return bits; }

/* ── 1  The file ─────────────────────────────────────────────────────────────────────────────────────────────────────
   "GGUF", a version, two counts; named values; each tensor's name, sizes, type and place; then the numbers themselves.
   A file may come from a stranger: every length, count and place is checked against the size of the file before use. */

enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64, N_KINDS };
static const uint8_t KIND_SIZE[N_KINDS] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
enum { MOST_ENTRIES = 1 << 16, MOST_HEADER = 32 << 20 };

typedef struct { const char *at; size_t n; } text; /* UTF-8 as it lies in the file, without a zero at its end */

typedef struct {
    text name;
    int kind, item;       /* of an array, what its items are; of any other value, the same as kind */
    uint64_t count;       /* of an array, how many items there are; else 1 */
    const uint8_t *bytes; /* the (first) item; strings follow each other, see next_text */
} entry;

typedef struct { text name; int n_dims, type; uint64_t sizes[4], offset; } tensor; /* sizes innermost first */

typedef struct {
    const uint8_t *bytes; /* the whole file, mapped or someone else's */
    size_t size, start;   /* the tensors' bytes begin at start */
    void *mapped;
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

/* Memory that is given back together. */
typedef struct { void *at[32]; int n, failed; } pile;

static void *zeros(pile *p, size_t n, size_t size) { /* for n things and one more; or NULL */
    void *at = p->at[p->n++] = calloc(n + 1, size);
    return p->failed |= !at, at;
}

static void let_go(pile *p) {
    while (p->n) free(p->at[--p->n]);
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

/* Of n things, each of which begins with its name. */
static const void *named(const void *things, int n, size_t size, const char *name) {
    for (const char *at = things; n > 0; at += size, n--)
        if (same(*(const text *)(const void *)at, name)) return at;
    return NULL;
}

static const entry *gguf_get(const gguf *g, const char *key) {
    return named(g->entries, g->n_entries, sizeof(entry), key);
}

static const tensor *gguf_tensor(const gguf *g, const char *name) {
    return named(g->tensors, g->n_tensors, sizeof(tensor), name);
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

static void read_entry(cursor *c, entry *e) {
    e->name = take_text(c), e->kind = e->item = (int)take_u32(c), e->count = 1;
    if (e->kind == ARRAY) e->item = (int)take_u32(c), e->count = take_u64(c);
    e->bytes = c->at;
    if ((unsigned)e->item >= N_KINDS || e->item == ARRAY) c->bad = 1;
    else if (e->item != STRING) take(c, e->count <= MOST_HEADER ? e->count * KIND_SIZE[e->item] : UINT64_MAX);
    else for (uint64_t i = 0; i < e->count && !c->bad; i++) take_text(c);
}

static void read_tensor(cursor *c, tensor *t) {
    t->name = take_text(c), t->n_dims = (int)take_u32(c);
    if (t->n_dims < 1 || t->n_dims > 4) c->bad = 1;
    uint64_t numbers = 1;
    for (int i = 0; i < 4 && !c->bad; i++) {
        t->sizes[i] = i < t->n_dims ? take_u64(c) : 1;
        if (t->sizes[i] < 1 || t->sizes[i] > INT32_MAX || (numbers *= t->sizes[i]) > (uint64_t)1 << 40) c->bad = 1;
    }
    t->type = (int)take_u32(c), t->offset = take_u64(c);
}

/* Reads the header of g->bytes. 1, or 0 with a message. */
static int gguf_read(gguf *g, const char *name) {
    cursor c = {g->bytes, g->bytes + (g->size < MOST_HEADER ? g->size : MOST_HEADER), 0};
    if (g->size < 24 || memcmp(take(&c, 4), "GGUF", 4)) return fail("%s is not a GGUF file", name);
    uint32_t version = take_u32(&c);
    uint64_t n_tensors = take_u64(&c), n_entries = take_u64(&c);
    if (version != 2 && version != 3) return fail("%s is GGUF version %u; versions 2 and 3 are read", name, version);
    if (n_tensors > MOST_ENTRIES || n_entries > MOST_ENTRIES)
        return fail("%s is damaged: it claims %" PRIu64 " values and %" PRIu64 " tensors", name, n_entries, n_tensors);
    g->entries = calloc(n_entries + 1, sizeof *g->entries), g->tensors = calloc(n_tensors + 1, sizeof *g->tensors);
    if (!g->entries || !g->tensors) return fail("out of memory");
    while (g->n_entries < (int)n_entries && !c.bad) read_entry(&c, &g->entries[g->n_entries++]);
    while (g->n_tensors < (int)n_tensors && !c.bad) read_tensor(&c, &g->tensors[g->n_tensors++]);
    if (c.bad)
        return fail("%s is truncated or damaged near byte %zu: its value or tensor number %d makes no sense", name,
                    (size_t)(c.at - g->bytes), g->n_entries + g->n_tensors);
    double align = gguf_number(g, "general.alignment", 32);
    if (!(align >= 1 && align <= 1 << 20) || ((int)align & ((int)align - 1)))
        return fail("%s is damaged: general.alignment is %g", name, align);
    size_t a = (size_t)align;
    g->start = ((size_t)(c.at - g->bytes) + a - 1) / a * a;
    if (g->start > g->size) g->start = g->size;
    return 1;
}

static void gguf_close(gguf *g) {
    if (!g) return;
#ifdef _WIN32
    free(g->mapped);
#else
    if (g->mapped) munmap(g->mapped, g->size);
#endif
    free(g->entries), free(g->tensors), free(g);
}

/* A file's bytes: mapped, where that can be. 1, or 0 and errno. */
static int gguf_map(gguf *g, const char *path) {
    struct stat about;
    FILE *file = fopen(path, "rb");
    int sound = file && !fstat(fileno(file), &about);
    if (sound && !S_ISREG(about.st_mode)) sound = 0, errno = S_ISDIR(about.st_mode) ? EISDIR : EINVAL;
    if (sound && (g->size = (size_t)about.st_size)) {
#ifdef _WIN32
        sound = (g->mapped = malloc(g->size)) && fread(g->mapped, g->size, 1, file);
#else
        g->mapped = mmap(NULL, g->size, PROT_READ, MAP_PRIVATE, fileno(file), 0);
        if (g->mapped == MAP_FAILED) sound = 0, g->mapped = NULL;
#endif
        g->bytes = g->mapped;
    }
    if (file) fclose(file);
    return sound;
}

/* The file at a path, or n bytes in memory (path NULL), which must stay while it is open. NULL, and why. */
static gguf *gguf_open(const char *path, const void *bytes, size_t n) {
    gguf *g = calloc(1, sizeof *g);
    if (!g) return fail("out of memory"), NULL;
    g->bytes = bytes, g->size = n;
    int sound = (!path || gguf_map(g, path) || fail("cannot read %s: %s", path, strerror(errno)))
             && gguf_read(g, path ? path : "the buffer");
    return sound ? g : (gguf_close(g), NULL);
}

/* ── 2  The tokenizer ────────────────────────────────────────────────────────────────────────────────────────────────
   Text to ids and back, in one of two ways. Byte-level BPE cuts text into pieces (a word, a number, punctuation) and in
   each piece joins, again and again, the pair of neighbours that was learned first. SentencePiece's way, Gemma's, makes
   no cuts; there the pair goes first whose token has the highest score, and what is no token is spelled in bytes. */

/* The letters and numbers of Unicode 18 in runs: the way from the last run's end, then twice the run's length, and one
   more for numbers. A figure is written in base 32, its last digit from ']' up, the others from '#' up. */
static const char RUNS[] =
    "$mrd$qc$q$l_db^_``]_^d^$k^${^?qaukgd_^_'^g^a_e^_c_^c^_^$e^(c^+se-i^%i^ac%o_a%`$sae$j%srraa^)c^_lada]r]c__m_^$yz(oh"
    "_kr]%_faa_b$ia_f_`_t$odsb$m^km%q$w&i`_o_dqar^$]am_a_$i^k^_`e`_m_ja^car]a_j__eiaa_$i^k^a^a^a|e^_dr_cmo^c^$i^k^a^g`_"
    "o_laarf_hm_a_$i^k^a^g`_{a^car^_]jh_^i`c^e`a^_^a`a`c`us_rxom^c^$k^$]`_wc^a_aarel^_am^c^$k^q^g`_{c^aar^ano^c^%o__m_b"
    "c^l]ca$d^ib$a`$m^o^__k|rn&]^aikfr$da^_^g^$m^_^q^af__g^_fr_e$]_|$fim^%exg&p%sq_]rciae`_`adcawi_^rc%i^_b__%s^7w^e_k^"
    "_^e_%o^e_%_^e_k^_^e_{^&o^e_'ck$f`$]m(i_i`$)u_$_^$qb's`d]md$aj$ck$akw^cl&e$`_a_`rcrsrc(odg_%a^_b'ig${$dr]$y_gh%ua$q"
    "ct$b$kf&g$hrcrj_%z%{nm`r$f$yja]r]%uw%eyr`c]r]%e_sb%s_c$fe^i^a`_b/]%]4i_i_%i_i_m^_^_^_^${_&g^k^_`c^k`e_iawbc^k&p`]_"
    "_jb_]rb$_&__a__q^_`gc_^_^_^e^s_ebga_^&d]a]h9s&v%k$j6s$z$&i1gce`af`_%i^_b__&md_m$kfk^k^k^k^k^k^k^k%m_1ra]`vpdg_d]aa"
    "(icc^(q^eb%s^(y`fg%]$m$]$]r{n^|$]r$d|-]/?]%]$.+w%`%y_3w`$]]r]aq%{m${_'i]r$do_)k_(ca_k$_^c^e^$kjjg&ek&ayrui`_^a^r]$"
    "ug$kv$wd%{y_]rcg^q]r]g^%otc^marc$k`_`&a^_`a_g__^_uc_sdcii_i_ifk^k^%s^y_a_*cjrc8=ei$ka&_++a9y_)q$ckigb_^q^w^g^_^a^a"
    "^)u$^9so']_&i$eu&qg^+kprd$qc$qh(o`i_i_i_c$`u^$q^$c^a^{_y$_*si%xi&pnb*q$w`&_m$ta%]]ff$e]`]m]`b%ig$y_%eam^h$g,y_rc%e"
    "a%ea%me&eis^{^k^a^s^{^k^a`&ei6kf$igmui^%q^y%]i__^%u^a`__$k_n]$k_l]${ep$m$c^abh]$i]ja$qc$q$c&mab]a]$^_%z]_le^c^$wgp"
    "t$w]b^$w]d$]m^$uchm&ig$i_n]$cbn]$atl%m'o$t&cj&cdj]%eircr]$uf$k)w$|^%qcamin$in$w]r]_e$ihfx$a$k$g]lq$ki&gw$z^a__j%w$"
    "]$odrf%elra___e%c`_i&]kehr]_^_a$fh$a^$opa$|k^_^e^{^qd%{nrhm_a_$i^k^a^g`_o_ig{q^___^%i^_v_^_$i&goebrbc{&]qa^_er(c%{"
    "$fe$a&]q_hr$c%sj_drc$fy$srvak(v%u&q']]$dim___m^a^$ml_^_kr%cm_%km_^_y_g%md_r_h%yp_o'on_(r%_lrco^%gn_l$xb$y&mk^a^%ir"
    "_frci^a^%]k_drc%uard_*k$cl_^w^%ayr%s_l$h$h$<q&c*^bt]/ei6l%+f)_l%&]niv*<sb$'k)8v$yor$9c$&od${^rc'{^rc$yo&]meir^l^$g"
    "b$c0m%w`r)c']]$lf$o_$o$i'sb_%_w%]a^_ka]df10s$a%a%|*cj$<ak&c*3ze^k^a^5of_zc__kgd;u%+a)sbw`odq'%sr$1c$fi$f&i$p'd(g^'"
    "k^a___a_e^u^_^k^'_^e_m^k^$u^e^g^_`k^8g^$o^$o^${^$o^${^$o^${^$o^${^$o^m_&b$;]+akk$s&c$m&y'o%wgk_ra_-^$yo%uar1s$uar)"
    "s$y__]r)b${^c^a^k_gfa*]k^e^a^{^/g_p$m'ed_ar;t&t^d^f%i%x^|)_e^$s^a^___^q^e^_^_c_a_^_^_^c^a^___^_^_^_^_^a^__e^k^e^e^"
    "_^q^$_bc^g^$_5ax%:`r$#c%61]$]+4{^.+y_16_l$)y%0_$$y$2_,7sb35q$)?c9']";

enum { OTHER = 1, LETTER = 2, NUMBER = 4, SPACE = 8, BLANK = 16, LINE_END = 32 }; /* bits; the last two besides SPACE */
static uint8_t class_of[0x110000];

static void classify(void) {
    int figure = 0, end = 0, is_length = 0;
    memset(class_of, OTHER, sizeof class_of);
    for (const char *c = RUNS; *c; c++) {
        if (*c < ']') { figure = (figure + *c - '#') * 32; continue; }
        figure += *c - ']';
        if (is_length) memset(class_of + end, figure & 1 ? NUMBER : LETTER, (size_t)figure / 2), figure /= 2;
        end += figure, figure = 0, is_length = !is_length;
    }
    static const int spaces[] = {0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000};
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) class_of[spaces[i]] = SPACE;
    memset(class_of + 0x09, SPACE, 5), memset(class_of + 0x2000, SPACE, 11);
    class_of[' '] = SPACE | BLANK, class_of['\n'] = class_of['\r'] = SPACE | LINE_END;
}

/* How many bytes the character c takes that s begins with; -n where its first n, or all of s, only could begin one, and
   -1 where s is empty or its first byte could not. */
static int character(text s, uint32_t *c) {
    uint8_t b = s.n ? (uint8_t)*s.at : 0xff;
    int n = b < 0x80 ? 1 : b < 0xc2 ? 0 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : b < 0xf5 ? 4 : 0;
    *c = n == 1 ? b : b & (0x7fu >> n);
    for (int i = 1; i < n; i++) { /* what is longer than need be, half of a UTF-16 pair or above U+10FFFF is none */
        uint8_t next = (size_t)i < s.n ? (uint8_t)s.at[i] : 0, least = b == 0xe0 ? 0xa0 : b == 0xf0 ? 0x90 : 0x80;
        uint8_t most = b == 0xed ? 0x9f : b == 0xf4 ? 0x8f : 0xbf;
        if (next < (i == 1 ? least : 0x80) || next > (i == 1 ? most : 0xbf)) return -i;
        *c = *c << 6 | (next & 63);
    }
    return n ? n : -1;
}

static text from(text s, size_t i) { return (text){s.at + i, s.n - i}; }

/* The next three find places in text that is sound UTF-8: past a character, whose class they tell, 0 at the end; past
   at most so many characters of some classes; past an English contraction. */
static size_t past(text s, size_t i, int *class) {
    uint32_t c;
    int n = character(from(s, i), &c);
    return *class = n > 0 ? class_of[c] : 0, i + (size_t)(n > 0 ? n : 0);
}

static size_t past_run(text s, size_t i, int classes, int most) {
    int found;
    for (size_t next; most-- && (next = past(s, i, &found), found & classes);) i = next;
    return i;
}

static size_t past_contraction(text s, size_t i, int case_bit) {
    static const char *const ends[] = {"s", "t", "re", "ve", "m", "ll", "d"};
    for (int k = 0; s.at[i] == '\'' && k < 7; k++) {
        size_t n = 0;
        while (ends[k][n] && i + 1 + n < s.n && (s.at[i + 1 + n] | case_bit) == ends[k][n]) n++;
        if (!ends[k][n]) return i + 1 + n;
    }
    return i;
}

/* How text is cut into pieces. With L letters, N numbers, S spaces and P none of these, a piece is the first that there
   is of

       gpt-2               's|'t|'re|'ve|'m|'ll|'d      ?L+              ?N+           ?P+          S+(?=S|$)  S+
       qwen2, llama-bpe    the same in any case     [^LN\r\n]?L+    N or N{1,3}    ?P+[\r\n]*  S*[\r\n]+  S+(?=S|$)  S+

   and smollm is gpt-2 on what lies between numbers, which are cut out one by one. A rule here: perhaps one of `lead`,
   then up to `most` of `run`, then what there is of `tail`. */
enum { GPT2, SMOLLM, QWEN2, LLAMA3, SENTENCEPIECE };
enum { ANY = -1, NEITHER = OTHER | SPACE }; /* any number of them */
static const char *const CUTS[] = {"gpt-2", "smollm", "qwen2", "llama-bpe"};
static const struct { int lead, run, most, tail; } RULES[][3] = {
    [GPT2] = {{BLANK, LETTER, ANY, 0}, {BLANK, NUMBER, ANY, 0}, {BLANK, OTHER, ANY, 0}},
    [SMOLLM] = {{BLANK, LETTER, ANY, 0}, {0, NUMBER, 1, 0}, {BLANK, OTHER, ANY, 0}},
    [QWEN2] = {{NEITHER, LETTER, ANY, 0}, {0, NUMBER, 1, 0}, {BLANK, OTHER, ANY, LINE_END}},
    [LLAMA3] = {{NEITHER, LETTER, ANY, 0}, {0, NUMBER, 3, 0}, {BLANK, OTHER, ANY, LINE_END}},
};

static size_t piece_end(text s, size_t i, int cut) {
    int first, then, later = cut == QWEN2 || cut == LLAMA3;
    size_t next = past(s, i, &first), end = past_contraction(s, i, later ? 32 : 0), last;
    past(s, next, &then);
    for (int k = 0; end == i && k < 3; k++) {
        int leads = first & RULES[cut][k].lead && !(first & LINE_END) && then & RULES[cut][k].run;
        size_t begin = leads ? next : i, stop = past_run(s, begin, RULES[cut][k].run, RULES[cut][k].most);
        if (stop > begin) end = past_run(s, stop, RULES[cut][k].tail, ANY);
    }
    if (end > i) return end;
    end = past_run(s, i, SPACE, ANY), past(s, end, &then);
    for (last = end; later && last > i; last--)
        if (s.at[last - 1] == '\n' || s.at[last - 1] == '\r') return last;
    for (last = end - 1; (uint8_t)s.at[last] >> 6 == 2;) last--;
    return !then || last == i || (cut == SMOLLM && then == NUMBER) ? end : last;
}

/* What a file says of words. A token is kept as the bytes that it stands for. */
enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE }; /* kinds of token, as llama.cpp numbers them */
typedef struct { int left, right, made; uint32_t rank; } merge;    /* made is id + 1, or 0 where there is none */

typedef struct {
    int cut, n, n_real, bos, unknown, last[2], add_bos, add_blank; /* n_real: without padding at the end */
    text *tokens;
    uint8_t *kinds;
    float *scores;
    int *slots;    /* a table of ids by bytes: id + 1, or 0 */
    merge *merges; /* a table by left and right */
    uint32_t slot_mask, merge_mask;
    int byte_ids[256], special_begins[256], special_length; /* by their first byte; of the longest */
    char *bytes, *jinja;                                    /* of all tokens; the chat template */
    char why[sizeof problem];                               /* if not empty, text cannot be turned into ids */
} vocabulary;

static int is_special(int kind) { return kind == CONTROL || kind == USER_DEFINED; }

static uint32_t mix(uint64_t h) { return (uint32_t)((h * 0x9e3779b97f4a7c15u) >> 32); }

static uint32_t mask_for(uint64_t n) { /* of a table that n things fill by half at most */
    uint32_t mask = 3;
    while (mask < 2 * n) mask = 2 * mask + 1;
    return mask;
}

static int *find_slot(const vocabulary *v, int special, text s) { /* a token's, or the free one for it */
    uint32_t h = (uint32_t)special;
    for (size_t i = 0; i < s.n; i++) h = mix((uint64_t)h << 8 | (uint8_t)s.at[i]);
    for (;; h++) {
        int *slot = &v->slots[h & v->slot_mask], id = *slot - 1;
        if (id < 0 || (v->tokens[id].n == s.n && !memcmp(v->tokens[id].at, s.at, s.n) &&
                       is_special(v->kinds[id]) == special)) return slot;
    }
}

static int find_token(const vocabulary *v, int special, text s) { return *find_slot(v, special, s) - 1; }

static merge *find_merge(const vocabulary *v, int left, int right) {
    for (uint32_t h = mix((uint64_t)(uint32_t)left << 32 ^ (uint32_t)right * 0x85ebca6bu);; h++) {
        merge *m = &v->merges[h & v->merge_mask];
        if (!m->made || (m->left == left && m->right == right)) return m;
    }
}

/* The bytes that a spelling stands for, into `to`; how many, or 0 where it is none. Byte-level: what is printable in
   Latin-1 stands for itself, for the other 68 bytes U+0100 and up. SentencePiece: U+2581 stands for a blank. */
static size_t unspell(int cut, int kind, text s, char *to) {
    size_t n = 0;
    uint32_t c;
    if (cut == SENTENCEPIECE && kind == BYTE) return *to = (char)strtol(s.n == 6 ? s.at + 3 : "0", NULL, 16), 1;
    for (int size; s.n; s = from(s, (size_t)size)) {
        if ((size = character(s, &c)) < 0) return 0;
        if (cut == SENTENCEPIECE) {
            size_t long_as = c == 0x2581 ? 1 : (size_t)size;
            memcpy(to + n, c == 0x2581 ? " " : s.at, long_as), n += long_as;
        } else {
            int other = c < 256 ? -1 : (int)c - 256, visible = (c > 32 && c < 127) || (c > 160 && c < 256 && c != 173);
            if (!visible && (other < 0 || other > 67)) return 0;
            to[n++] = (char)(visible ? (int)c : other < 33 ? other : other < 67 ? other + 94 : 173);
        }
    }
    return n;
}

static const entry *array_of(const gguf *g, const char *key, int item, uint64_t n) { /* n items, or 0: any number */
    const entry *e = gguf_get(g, key);
    return e && e->kind == ARRAY && e->item == item && (!n || e->count == n) ? e : NULL;
}

static int id_of(const vocabulary *v, const gguf *g, const char *key) { /* a token that has a role, or -1 */
    double id = gguf_number(g, key, -1);
    return id >= 0 && id < v->n ? (int)id : -1;
}

static void add_token(vocabulary *v, int i, text spelling, int kind, char *to) { /* whose bytes go there */
    int special = is_special(kind), by_score = v->cut == SENTENCEPIECE;
    size_t n = special ? 0 : unspell(v->cut, kind, spelling, to);
    int plain = n && kind != UNUSED && (!by_score || kind == NORMAL);
    if (!n) memcpy(to, spelling.at, n = spelling.n); /* it stands for its own name */
    v->tokens[i] = (text){to, n}, v->kinds[i] = (uint8_t)kind;
    if (n == 1 && kind == (by_score ? BYTE : NORMAL)) v->byte_ids[(uint8_t)*to] = i;
    if (!n || !(plain || special)) return;
    int *slot = find_slot(v, special, v->tokens[i]);
    if (!*slot) *slot = i + 1;
    if (special) v->special_begins[(uint8_t)*to] = 1;
    if (special && (int)n > v->special_length && n < 256) v->special_length = (int)n;
}

/* "left right" by its rank. There is `room` for its bytes. 1, or 0 where these are not two tokens that make a third. */
static int add_merge(vocabulary *v, text both, uint32_t rank, char *room) {
    const char *gap = both.n ? memchr(both.at, ' ', both.n) : NULL;
    if (!gap) return 0;
    size_t half = unspell(v->cut, NORMAL, (text){both.at, (size_t)(gap - both.at)}, room);
    size_t all = half + unspell(v->cut, NORMAL, from(both, (size_t)(gap + 1 - both.at)), room + half);
    int left = find_token(v, 0, (text){room, half}), right = find_token(v, 0, (text){room + half, all - half});
    int made = find_token(v, 0, (text){room, all});
    if (!half || all == half || left < 0 || right < 0 || made < 0) return 0;
    merge *m = find_merge(v, left, right);
    if (!m->made) *m = (merge){left, right, made + 1, rank};
    return 1;
}

/* Reads all that concerns words; what it holds goes onto the pile. What is wrong with a tokenizer is said in `why` when
   text is to be turned into ids, not now: a model runs without one. */
static void read_vocabulary(vocabulary *v, const gguf *g, const char *name, pile *p) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, classify);
    text model = gguf_text(g, "tokenizer.ggml.model", "none"), pre = gguf_text(g, "tokenizer.ggml.pre", "none");
    text jinja = gguf_text(g, "tokenizer.chat_template", "");
    int by_score = same(model, "llama"), known = by_score;
    if (by_score) v->cut = SENTENCEPIECE;
    for (int i = 0; i < SENTENCEPIECE; i++)
        if (same(model, "gpt2") && same(pre, CUTS[i])) v->cut = i, known = 1;
    const entry *tokens = array_of(g, "tokenizer.ggml.tokens", STRING, 0);
    size_t n = tokens ? (size_t)tokens->count : 0;
    const entry *kinds = array_of(g, "tokenizer.ggml.token_type", I32, n);
    const entry *scores = array_of(g, "tokenizer.ggml.scores", F32, n);
    const entry *merges = by_score ? NULL : array_of(g, "tokenizer.ggml.merges", STRING, 0);
    v->n = v->n_real = (int)n, v->slot_mask = mask_for(n), v->merge_mask = mask_for(merges ? merges->count : 0);
    v->tokens = zeros(p, n, sizeof *v->tokens), v->kinds = zeros(p, n, 1), v->scores = zeros(p, n, sizeof(float));
    v->slots = zeros(p, v->slot_mask, sizeof(int)), v->merges = zeros(p, v->merge_mask, sizeof(merge));
    v->bytes = zeros(p, g->start, 1), v->jinja = zeros(p, jinja.n, 1); /* bytes: less than the header that names them */
    if (p->failed) return;
    memcpy(v->jinja, jinja.at, jinja.n), memset(v->byte_ids, -1, sizeof v->byte_ids);
    char *to = v->bytes;
    const uint8_t *at = n ? tokens->bytes : NULL;
    for (int i = 0; i < v->n; to += v->tokens[i++].n) {
        v->scores[i] = scores ? (float)entry_number(scores, (uint64_t)i) : 0;
        add_token(v, i, next_text(&at), kinds ? (uint8_t)entry_number(kinds, (uint64_t)i) : NORMAL, to);
    }
    while (v->n_real > 1 && v->kinds[v->n_real - 1] == UNUSED) v->n_real--;
    v->bos = id_of(v, g, "tokenizer.ggml.bos_token_id"), v->unknown = id_of(v, g, "tokenizer.ggml.unknown_token_id");
    v->last[0] = id_of(v, g, "tokenizer.ggml.eos_token_id"), v->last[1] = id_of(v, g, "tokenizer.ggml.eot_token_id");
    v->add_bos = v->bos >= 0 && gguf_number(g, "tokenizer.ggml.add_bos_token", by_score) != 0;
    v->add_blank = by_score && gguf_number(g, "tokenizer.ggml.add_space_prefix", 1) != 0;
    int sound = known || fail("%.99s: its tokenizer is %.*s, %.*s; known are llama, and gpt2 with %s, %s, %s or %s",
                              name, (int)model.n, model.at, (int)pre.n, pre.at, CUTS[0], CUTS[1], CUTS[2], CUTS[3]);
    if (sound && (!n || (by_score && !scores) || (!kinds && gguf_get(g, "tokenizer.ggml.token_type"))))
        sound = fail("%.99s is damaged: its tokens, their types and scores do not fit together", name);
    at = merges ? merges->bytes : NULL;
    for (uint32_t rank = 0; sound && merges && rank < merges->count; rank++) {
        text both = next_text(&at);
        sound = add_merge(v, both, rank, to)
             || fail("%.99s is damaged: the merge '%.*s' is not two tokens that make a third", name, (int)both.n,
                     both.at);
    }
    if (!sound) memcpy(v->why, problem, sizeof v->why);
}

/* A heap of numbers, the least on top: for the pair that is joined next, and for the least of the likeliest tokens. */
static void sink(uint64_t *heap, size_t n, size_t at, uint64_t key) {
    for (size_t child; (child = 2 * at + 1) < n; heap[at] = heap[child], at = child) {
        if (child + 1 < n && heap[child + 1] < heap[child]) child++;
        if (key <= heap[child]) break;
    }
    heap[at] = key;
}

static uint64_t order_of(float score, int id) { /* puts scores in order, the highest first, and then ids */
    uint32_t bits = to_bits(score + 0.0f); /* there is one zero */
    return (uint64_t)(bits >> 31 ? bits : ~bits & 0x7fffffff) << 32 | (uint32_t)id;
}

/* Text on its way to ids; `plain` is the part without special tokens that is not yet encoded. */
typedef struct { int at, size, id, before, after; } part; /* of a piece: its bytes, its token, its neighbours */
typedef struct {
    const vocabulary *v;
    char *plain;
    int *ids;
    part *parts;
    uint64_t *heap; /* of pairs that may be joined: their rank, and the place of the left one */
    size_t n_plain, room_plain, n_ids, room_ids, room_parts, n_heap, room_heap;
    int failed; /* out of memory */
} encoder;

static void encoder_free(encoder *e) { free(e->plain), free(e->ids), free(e->parts), free(e->heap); }

static int grow(encoder *e, void *at, size_t *room, size_t n, size_t size) { /* at: where the pointer is */
    if (n <= *room || e->failed) return !e->failed;
    void *old, *more;
    memcpy(&old, at, sizeof old);
    if (!(more = realloc(old, (n + n / 2 + 64) * size))) return e->failed = 1, 0;
    return memcpy(at, &more, sizeof more), *room = n + n / 2 + 64, 1;
}

static void add_id(encoder *e, int id) {
    if (id >= 0 && grow(e, &e->ids, &e->room_ids, e->n_ids + 1, sizeof *e->ids)) e->ids[e->n_ids++] = id;
}

/* The token that part i makes with the next, or -1; *key says when it is its turn. */
static int pair(const encoder *e, text s, int i, uint64_t *key) {
    const vocabulary *v = e->v;
    const part *a = &e->parts[i], *b = &e->parts[a->after < 0 ? i : a->after];
    if (a == b) return -1;
    if (v->cut == SENTENCEPIECE) {
        int made = find_token(v, 0, (text){s.at + a->at, (size_t)(a->size + b->size)});
        return *key = made < 0 ? 0 : order_of(v->scores[made], i), made;
    }
    const merge *m = find_merge(v, a->id, b->id);
    return *key = (uint64_t)m->rank << 32 | (uint32_t)i, m->made - 1;
}

static void consider(encoder *e, text s, int i) {
    uint64_t key;
    if (i < 0 || pair(e, s, i, &key) < 0 || !grow(e, &e->heap, &e->room_heap, e->n_heap + 1, sizeof *e->heap)) return;
    size_t at = e->n_heap++;
    for (; at && key < e->heap[(at - 1) / 2]; at = (at - 1) / 2) e->heap[at] = e->heap[(at - 1) / 2];
    e->heap[at] = key;
}

static void encode_piece(encoder *e, text s) {
    const vocabulary *v = e->v;
    int whole = v->cut == LLAMA3 ? find_token(v, 0, s) : -1, n = 0, bytewise = v->cut != SENTENCEPIECE;
    if (whole >= 0 || !grow(e, &e->parts, &e->room_parts, s.n, sizeof *e->parts)) { add_id(e, whole); return; }
    for (size_t i = 0, size; i < s.n; i += size, n++) {
        uint32_t c;
        size = bytewise ? 1 : (size_t)character(from(s, i), &c);
        int id = bytewise ? v->byte_ids[(uint8_t)s.at[i]] : find_token(v, 0, (text){s.at + i, size});
        e->parts[n] = (part){(int)i, (int)size, id, n - 1, i + size < s.n ? n + 1 : -1};
    }
    e->n_heap = 0;
    for (int i = 0; i + 1 < n; i++) consider(e, s, i);
    while (e->n_heap && !e->failed) {
        uint64_t key = e->heap[0], now = key + 1;
        int i = (int)(uint32_t)key;
        sink(e->heap, e->n_heap - 1, 0, e->heap[e->n_heap - 1]), e->n_heap--;
        int made = e->parts[i].size ? pair(e, s, i, &now) : -1;
        if (made < 0 || now != key) continue; /* one of the two has been joined with another meanwhile */
        part *a = &e->parts[i], *b = &e->parts[a->after];
        a->size += b->size, a->id = made, a->after = b->after, b->size = 0;
        if (a->after >= 0) e->parts[a->after].before = i;
        consider(e, s, a->before), consider(e, s, i);
    }
    for (int i = 0; i >= 0 && !e->failed; i = e->parts[i].after) {
        const part *p = &e->parts[i];
        add_id(e, p->id); /* a byte that has no token is left out */
        for (int k = 0; p->id < 0 && !bytewise && k < p->size; k++) {
            int byte = v->byte_ids[(uint8_t)s.at[p->at + k]];
            add_id(e, byte < 0 ? v->unknown : byte);
        }
    }
}

static void encode_plain(encoder *e) {
    text s = {e->plain, e->n_plain};
    for (size_t i = 0, end; i < s.n && !e->failed; i = end) {
        end = e->v->cut == SENTENCEPIECE ? s.n : piece_end(s, i, e->v->cut);
        encode_piece(e, (text){s.at + i, end - i});
    }
    e->n_plain = 0;
}

static void add_plain(encoder *e, const char *bytes, size_t n) {
    if (grow(e, &e->plain, &e->room_plain, e->n_plain + n, 1)) memcpy(e->plain + e->n_plain, bytes, n), e->n_plain += n;
}

/* The text goes on with s. The name of a special token is text like any other, unless `parse_special`; only what
   SentencePiece calls user-defined, such as rows of line ends, is always one token. What is no UTF-8 is U+FFFD. */
static void add_text(encoder *e, text s, int parse_special) {
    const vocabulary *v = e->v;
    while (s.n && !e->failed) {
        uint32_t c = 0;
        int size = character(s, &c);
        size_t n = v->special_begins[(uint8_t)*s.at] ? (size_t)v->special_length : 0;
        int id = -1;
        for (n = n < s.n ? n : s.n; n; n--) { /* the longest first */
            id = find_token(v, 1, (text){s.at, n});
            if (id >= 0 && (parse_special || (v->cut == SENTENCEPIECE && v->kinds[id] == USER_DEFINED))) break;
        }
        if (n) {
            encode_plain(e), add_id(e, id), s = from(s, n);
            continue;
        }
        if (v->add_blank && !e->n_plain) add_plain(e, " ", 1);
        if (size < 0) add_plain(e, "\xef\xbf\xbd", 3);
        else if (v->cut == SENTENCEPIECE && c == 0x2581) add_plain(e, " ", 1);
        else add_plain(e, s.at, (size_t)size);
        s = from(s, (size_t)abs(size));
    }
}

/* ── 3  Threads ──────────────────────────────────────────────────────────────────────────────────────────────────────
   A token is some two hundred small jobs, one after the other, each cut into pieces. Every thread has a range of them,
   so that it reads memory in one line, and goes on with what others have not claimed of theirs. A job is over when its
   pieces are done, not when every thread has come by: a thread that the system has put aside holds up nothing that it
   has not begun, and with no helper at all the caller does everything. Waiting is spinning at first, for the next job is
   microseconds away, then letting others go first, then sleeping, so that the machine is not kept from other work. */

enum { SPINS = 200, YIELDS = 200, MOST_THREADS = 64 };

typedef struct {
    struct { _Atomic uint64_t claimed; char apart[56]; } range[MOST_THREADS]; /* its end, the next piece */
    struct { _Atomic int n; char apart[60]; } job, done; /* jobs so far; pieces of the latest that are done, of n */
    void (*work)(void *, int);
    void *argument;
    _Atomic int n, n_threads, asleep, over, joined; /* joined: helpers that know which range is theirs */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t threads[MOST_THREADS];
} pool;

#if defined __x86_64__ || defined __i386__
#define pause_briefly() __builtin_ia32_pause()
#else
#define pause_briefly() ((void)0)
#endif

static void wake_all(pool *p) {
    if (!atomic_load(&p->asleep)) return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

#define WAIT_UNTIL(p, IT_IS_SO)                                                                     \
    do {                                                                                            \
        for (int spin = 0; spin < SPINS && !(IT_IS_SO); spin++) pause_briefly();                    \
        for (int turn = 0; turn < YIELDS && !(IT_IS_SO); turn++) sched_yield();                     \
        if (IT_IS_SO) break;                                                                        \
        pthread_mutex_lock(&(p)->lock);                                                             \
        for (atomic_fetch_add(&(p)->asleep, 1); !(IT_IS_SO);) pthread_cond_wait(&(p)->wake, &(p)->lock); \
        atomic_fetch_sub(&(p)->asleep, 1);                                                          \
        pthread_mutex_unlock(&(p)->lock);                                                           \
    } while (0)

/* Do what is left of the latest job, beginning with range i. */
static void work_on(pool *p, int i) {
    for (int tried = 0; tried < p->n_threads; i = (i + 1) % p->n_threads, tried++)
        for (uint64_t mine; mine = atomic_fetch_add(&p->range[i].claimed, 1), (uint32_t)mine < mine >> 32;) {
            p->work(p->argument, (int)(uint32_t)mine); /* no other job is begun before this piece is done */
            if (atomic_fetch_add(&p->done.n, 1) + 1 == p->n) wake_all(p);
        }
}

static void *help(void *argument) {
    pool *p = argument;
    for (int i = atomic_fetch_add(&p->joined, 1) + 1, job; !atomic_load(&p->over);) {
        job = atomic_load(&p->job.n);
        work_on(p, i);
        WAIT_UNTIL(p, atomic_load(&p->job.n) != job || atomic_load(&p->over));
    }
    return NULL;
}

static int share(int n, int i, int of) { return (int)((int64_t)n * i / of); } /* where part i of n begins */

/* work(argument, i) for i = 0 … n - 1, in any order, on any thread; returns when all are done. */
static void parallel(pool *p, void (*work)(void *, int), void *argument, int n) {
    if (p->n_threads == 1 || n == 1) {
        for (int i = 0; i < n; i++) work(argument, i);
        return;
    }
    p->work = work, p->argument = argument, p->n = n;
    atomic_store(&p->done.n, 0);
    for (int i = 0; i < p->n_threads; i++)
        atomic_store(&p->range[i].claimed, (uint64_t)share(n, i + 1, p->n_threads) << 32 | share(n, i, p->n_threads));
    atomic_fetch_add(&p->job.n, 1), wake_all(p);
    work_on(p, 0);
    WAIT_UNTIL(p, atomic_load(&p->done.n) == n);
}

static void pool_open(pool *p, int n) {
    pthread_mutex_init(&p->lock, NULL), pthread_cond_init(&p->wake, NULL);
    for (p->n_threads = 1; p->n_threads < n; p->n_threads++)
        if (pthread_create(&p->threads[p->n_threads], NULL, help, p)) break; /* fewer, then */
}

static void pool_close(pool *p) {
    atomic_store(&p->over, 1), wake_all(p);
    for (int i = 1; i < p->n_threads; i++) pthread_join(p->threads[i], NULL);
    pthread_mutex_destroy(&p->lock), pthread_cond_destroy(&p->wake);
}

static int n_cores(void) {
#ifdef CPU_COUNT
    cpu_set_t ours;
    if (!sched_getaffinity(0, sizeof ours, &ours)) return CPU_COUNT(&ours);
#endif
#ifdef _SC_NPROCESSORS_ONLN
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
#else
    return 4;
#endif
}

/* ── 4  Vectors ──────────────────────────────────────────────────────────────────────────────────────────────────────
   All the arithmetic that counts is done on sixteen 32-bit lanes at once, of which a processor takes WIDTH at a time.
   What no operator says is named here once for each kind of processor (P_…), and nothing below knows which it is. What
   makes small whole numbers fast is P_DOT: to each lane of a, it adds the products of four bytes of w and of x.
   P_LOOKUP puts for each byte of q that of sixteen which q numbers, out of the table beside it. */

INLINE int32_t four_bytes(const void *x) { int32_t four; memcpy(&four, x, 4); return four; }

static float from_half(uint16_t h) { /* the exponent is moved by 112 = 127 - 15; a multiplication mends subnormals */
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = (uint32_t)(h & 0x7FFF) << 13;
    if (rest >= 0x0F800000) return from_bits(sign | rest | 0x7F800000); /* infinite, or not a number */
    return from_bits(sign | to_bits(from_bits(rest) * 0x1p112f));
}

static uint16_t to_half(float x) { /* to nearest even; too large becomes infinite */
    uint32_t bits = to_bits(x), sign = bits >> 16 & 0x8000, rest = bits & 0x7FFFFFFF;
    if (rest > 0x7F800000) return (uint16_t)(sign | 0x7E00);
    if (rest >= 0x477FF000) return (uint16_t)(sign | 0x7C00);
    if (rest < 0x38800000) return (uint16_t)(sign | (to_bits(from_bits(rest) + 0.5f) - to_bits(0.5f)));
    return (uint16_t)(sign | (((rest + 0xFFF + (rest >> 13 & 1)) >> 13) - 0x1C000));
}

#define VECTORS(N) enum { WIDTH = N };                                                     \
    typedef float pf __attribute__((vector_size(4 * N)));                                   \
    typedef int32_t pi __attribute__((vector_size(4 * N)));                                 \
    typedef uint32_t pu __attribute__((vector_size(4 * N)));                                \
    typedef float pf_at __attribute__((vector_size(4 * N), aligned(1), may_alias));         \
    typedef int32_t pi_at __attribute__((vector_size(4 * N), aligned(1), may_alias));       \
    typedef int8_t pb_at __attribute__((vector_size(N), aligned(1), may_alias))

#if defined __AVX512VNNI__ && defined __AVX512BW__ && defined __AVX512VL__ && !defined TF_PLAIN
#include <immintrin.h>
#define KERNEL "avx512-vnni"
enum { SIGN = 128 }; /* this P_DOT takes w without a sign: 128 is added to the weights, and taken off at the end */
VECTORS(16);
#define P_FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define P_HALVES(at) _mm512_cvtph_ps(_mm256_loadu_si256((const void *)(at)))
#define P_TO_HALVES(at, a) _mm256_storeu_si256((void *)(at), _mm512_cvtps_ph(a, 0))
#define P_DOT(a, w, x) (pi)_mm512_dpbusd_epi32((__m512i)(a), (__m512i)(w), _mm512_set1_epi32(x))
#define P_DOT_SIGNED P_DOT
#define P_LOOKUP(table, q) (pi)_mm512_shuffle_epi8((__m512i)(table), (__m512i)(q))
#elif defined __AVX2__ && defined __FMA__ && defined __F16C__ && !defined TF_PLAIN
#include <immintrin.h>
#define KERNEL "avx2"
enum { SIGN = 0 };
VECTORS(8);
#define P_FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define P_HALVES(at) _mm256_cvtph_ps(_mm_loadu_si128((const void *)(at)))
#define P_TO_HALVES(at, a) _mm_storeu_si128((void *)(at), _mm256_cvtps_ph(a, 0))
#define P_DOT(a, w, x) dot_bytes(a, (__m256i)(w), _mm256_set1_epi32(x))
#define P_DOT_SIGNED(a, w, x) \
    dot_bytes(a, _mm256_abs_epi8((__m256i)(w)), _mm256_sign_epi8(_mm256_set1_epi32(x), (__m256i)(w)))
#define P_LOOKUP(table, q) (pi)_mm256_shuffle_epi8((__m256i)(table), (__m256i)(q))
INLINE pi dot_bytes(pi a, __m256i w, __m256i x) { /* w has no sign; two products of 128 · 127 fit into 16 bits */
    return a + (pi)_mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1));
}
#elif defined __ARM_FEATURE_DOTPROD && !defined TF_PLAIN
#include <arm_neon.h>
#define KERNEL "neon-dot"
enum { SIGN = 0 };
VECTORS(4);
#define P_FMA(a, b, c) vfmaq_f32(c, a, b)
#define P_HALVES(at) vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(at)))
#define P_TO_HALVES(at, a) vst1_u16(at, vreinterpret_u16_f16(vcvt_f16_f32(a)))
#define P_DOT(a, w, x) (pi)vdotq_s32((int32x4_t)(a), (int8x16_t)(w), vreinterpretq_s8_s32(vdupq_n_s32(x)))
#define P_DOT_SIGNED P_DOT
#define P_LOOKUP(table, q) (pi)vqtbl1q_u8((uint8x16_t)(table), (uint8x16_t)(q))
#else
#define KERNEL "c"
enum { SIGN = 0 };
VECTORS(4);
#define P_FMA(a, b, c) ((a) * (b) + (c))
#define P_HALVES(at) ((pf){from_half((at)[0]), from_half((at)[1]), from_half((at)[2]), from_half((at)[3])})
#define P_TO_HALVES(at, a) for (int j = 0; j < 4; j++) (at)[j] = to_half((a)[j])
#define P_DOT(a, w, x) dot_bytes(a, (pu)(w), (uint32_t)(x))
#define P_DOT_SIGNED P_DOT
INLINE pi dot_bytes(pi a, pu w, uint32_t x) {
    for (int i = 0; i < 32; i += 8) a += ((pi)(w << i) >> 24) * ((int32_t)(x << i) >> 24);
    return a;
}
INLINE pi P_LOOKUP(pi table, pi q) {
    uint8_t t[16], y[16];
    memcpy(t, &table, 16), memcpy(y, &q, 16);
    for (int i = 0; i < 16; i++) y[i] = t[y[i]];
    return memcpy(&q, y, 16), q;
}
#endif

enum { LANES = 16, PARTS = LANES / WIDTH };
typedef struct { pf p[PARTS]; } vf; /* sixteen floats */
typedef struct { pi p[PARTS]; } vi; /* sixteen integers, or sixty-four bytes */

#define EACH(TYPE, EXPRESSION) TYPE y; UNROLL for (int i = 0; i < PARTS; i++) y.p[i] = (EXPRESSION); return y
INLINE vf f_set(float x) { EACH(vf, x - (pf){0}); }
INLINE vf f_add(vf a, vf b) { EACH(vf, a.p[i] + b.p[i]); }
INLINE vf f_mul(vf a, vf b) { EACH(vf, a.p[i] * b.p[i]); }
INLINE vf f_fma(vf a, vf b, vf c) { EACH(vf, P_FMA(a.p[i], b.p[i], c.p[i])); }
INLINE vf f_max(vf a, vf b) { EACH(vf, (pf)(((pi)a.p[i] & (a.p[i] > b.p[i])) | ((pi)b.p[i] & ~(a.p[i] > b.p[i])))); }
INLINE vf f_halves(const uint16_t *at) { EACH(vf, P_HALVES(at + i * WIDTH)); }
INLINE vi i_bytes(const int8_t *at) { EACH(vi, __builtin_convertvector(*(const pb_at *)(at + i * WIDTH), pi)); }
INLINE vf f_of(vi a) { EACH(vf, __builtin_convertvector(a.p[i], pf)); }
INLINE vf f_bytes(const int8_t *at) { return f_of(i_bytes(at)); }
INLINE vf f_as(vi a) { EACH(vf, (pf)a.p[i]); }
INLINE vi i_and(vi a, uint32_t mask) { EACH(vi, a.p[i] & (int32_t)mask); }
INLINE vi i_or(vi a, vi b) { EACH(vi, a.p[i] | b.p[i]); }
INLINE vi i_left(vi a, int n) { EACH(vi, (pi)((pu)a.p[i] << n)); }
INLINE vi i_right(vi a, int n) { EACH(vi, (pi)((pu)a.p[i] >> n)); }
INLINE vi i_dot(vi a, vi w, const int8_t *x) { EACH(vi, P_DOT(a.p[i], w.p[i], four_bytes(x))); }
INLINE vi i_dot_signed(vi a, vi w, const int8_t *x) { EACH(vi, P_DOT_SIGNED(a.p[i], w.p[i], four_bytes(x))); }
INLINE vi i_lookup(vi table, vi q) { EACH(vi, P_LOOKUP(table.p[i], q.p[i])); }
INLINE vf f_load(const float *at) { EACH(vf, *(const pf_at *)(at + i * WIDTH)); }
INLINE vi i_load(const uint8_t *at) { EACH(vi, *(const pi_at *)(at + i * WIDTH * 4)); }
INLINE void f_store(float *at, vf a) { for (int i = 0; i < PARTS; i++) *(pf_at *)(at + i * WIDTH) = a.p[i]; }
INLINE void f_to_halves(uint16_t *at, vf a) { for (int i = 0; i < PARTS; i++) P_TO_HALVES(at + i * WIDTH, a.p[i]); }

INLINE float sum_of(vf a) {
    float x[LANES], sum = 0;
    f_store(x, a);
    for (int i = 0; i < LANES; i++) sum += x[i];
    return sum;
}

INLINE float largest_of(vf a) {
    float x[LANES];
    f_store(x, a);
    for (int i = 1; i < LANES; i++) x[0] = x[i] > x[0] ? x[i] : x[0];
    return x[0];
}

static float dot(const float *a, const float *b, int n) {
    vf sum = f_set(0);
    int i = 0;
    for (; i + LANES <= n; i += LANES) sum = f_fma(f_load(a + i), f_load(b + i), sum);
    float rest = sum_of(sum);
    for (; i < n; i++) rest += a[i] * b[i];
    return rest;
}

/* e^x to 1e-7: 2 to the whole part goes into the exponent's bits, a polynomial does the rest. Loops of it vectorise. */
INLINE float exp_of(float x) {
    x = x < 88 ? x : 88;
    float whole = x * 1.44269504f + 12582912.0f, part = x * 1.44269504f - (whole - 12582912.0f); /* 1.5 · 2^23 rounds */
    float y = 1 + part * (0.693147182f + part * (0.240226477f + part * (0.0555032901f
                + part * (0.00961837359f + part * (0.00133998482f + part * 0.000153707049f)))));
    return x < -87 ? 0 : from_bits(to_bits(y) + (to_bits(whole) << 23));
}

/* ── 5  Weights ──────────────────────────────────────────────────────────────────────────────────────────────────────
   A matrix is stored in blocks of 32 or 256 numbers along its rows, in one of many types. At loading they are laid out
   anew in a few forms: sixteen rows side by side, one to a lane, so that a product needs no sums across lanes, and the
   memory is read in one straight line. A number is d · q + m, where q has 4, 6 or 8 bits and 32 numbers (in INT6_SPLIT,
   16) share d and m; without _MIN, m is d times a constant. Floats stay what they are, but BFLOAT16 takes 12 bits: of a
   number's two bytes the lower as it is, of the upper (sign, exponent) which of sixteen it is: zero or one of the seven
   largest in its four rows, of either sign. What is smaller, one number in some thousands, is kept apart; only if it is
   more than one in 256, the rest of it counts as zero, which is an error below 2^-12 of the largest number. */

enum { GROUP = 32, HUGE_PAGE = 2 << 20, TABLES = 64 };
typedef enum { FLOAT32, FLOAT16, BFLOAT16, INT8, INT4, INT4_MIN, INT6_MIN, INT6_SPLIT, N_FORMS } form;
static const int SCALES[N_FORMS] = {0, 0, 0, 32, 32, 64, 64, 64}; /* bytes of a group of sixteen rows: scales, */
static const int NUMBERS[N_FORMS] = {2048, 1024, 768, 512, 256, 256, 384, 384}; /* then the numbers */

enum { T_F32 = 0, T_F16 = 1, T_Q4_0 = 2, T_Q4_1 = 3, T_Q5_0 = 6, T_Q5_1 = 7, T_Q8_0 = 8, T_Q4_K = 12, T_Q5_K = 13,
       T_Q6_K = 14, T_BF16 = 30, N_TYPES };
static const struct { const char *name; int block, bytes, numbers; form form; } TYPES[N_TYPES] = {
    [T_F32] = {"F32", 1, 4, 0, FLOAT32}, [T_F16] = {"F16", 1, 2, 0, FLOAT16}, [T_BF16] = {"BF16", 1, 2, 0, BFLOAT16},
    [T_Q8_0] = {"Q8_0", 32, 34, 2, INT8}, [T_Q4_0] = {"Q4_0", 32, 18, 2, INT4},
    [T_Q4_1] = {"Q4_1", 32, 20, 4, INT4_MIN}, [T_Q5_0] = {"Q5_0", 32, 22, 6, INT6_MIN},
    [T_Q5_1] = {"Q5_1", 32, 24, 8, INT6_MIN}, [T_Q4_K] = {"Q4_K", 256, 144, 16, INT4_MIN},
    [T_Q5_K] = {"Q5_K", 256, 176, 48, INT6_MIN}, [T_Q6_K] = {"Q6_K", 256, 210, 0, INT6_SPLIT},
}; /* numbers: where they begin in a block, or their lower four bits */

typedef struct { int place; float x; } small; /* kept apart: 1 + column · LANES + row, or 0 behind the last */

typedef struct {
    int rows, cols, groups, type, form;
    size_t group_bytes, tile_bytes, apart_bytes; /* of sixteen rows */
    uint8_t *bytes;
    float *gain, *bias; /* gain: of a norm, which has no rows */
} matrix;

INLINE int is_float(int form) { return form <= BFLOAT16; }
INLINE int n_tiles(const matrix *w) { return (w->rows + LANES - 1) / LANES; }

static matrix matrix_of(int type, int rows, int cols) {
    matrix w = {.rows = rows, .cols = cols, .groups = (cols + GROUP - 1) / GROUP, .type = type};
    w.form = TYPES[type].form;
    w.group_bytes = (size_t)(SCALES[w.form] + NUMBERS[w.form]), w.tile_bytes = w.group_bytes * (size_t)w.groups;
    if (w.form == BFLOAT16) w.tile_bytes += TABLES, w.apart_bytes = (size_t)w.groups * 2 * sizeof(small);
    return w;
}

/* What of a tile of BFLOAT16 is kept apart, behind all tiles; two numbers for each group at most. */
INLINE small *kept_apart(const matrix *w, int tile) {
    return (small *)(void *)(w->bytes + (size_t)n_tiles(w) * w->tile_bytes + (size_t)tile * w->apart_bytes);
}

static size_t row_bytes(int type, int cols) { return (size_t)cols / TYPES[type].block * TYPES[type].bytes; }

static uint16_t half_at(const uint8_t *at) { return (uint16_t)(at[0] | at[1] << 8); }

/* Number i of an array of floats. */
static float float_at(int type, const uint8_t *at, int i) {
    if (type == T_F32) return from_bits((uint32_t)four_bytes(at + 4 * (size_t)i));
    uint16_t half = half_at(at + 2 * (size_t)i);
    return type == T_F16 ? from_half(half) : from_bits((uint32_t)half << 16);
}

/* Group g of a row of whole numbers: q, and the two halves that say d and m (in INT6_SPLIT, d and the second d). */
static void unpack(int type, const uint8_t *row, int g, uint8_t *q, uint16_t *scale) {
    int in = g % (TYPES[type].block / GROUP);
    const uint8_t *b = row + (size_t)(g / (TYPES[type].block / GROUP)) * TYPES[type].bytes;
    const uint8_t *low = b + TYPES[type].numbers;
    float d = from_half(half_at(b));
    scale[0] = half_at(b), scale[1] = half_at(b + 2);
    if (type == T_Q8_0) {
        for (int i = 0; i < GROUP; i++) q[i] = low[i] ^ SIGN;
    } else if (TYPES[type].block == GROUP) {
        int fifth = type == T_Q5_0 || type == T_Q5_1; /* bit of each number, before the others */
        for (int i = 0; i < 16; i++) q[i] = low[i] & 15, q[16 + i] = low[i] >> 4;
        for (int i = 0; fifth && i < GROUP; i++) q[i] |= (uint8_t)((low[i / 8 - 4] >> i % 8 & 1) << 4);
        if (type == T_Q5_0) scale[1] = to_half(-16 * d);
    } else {
        int six = type == T_Q6_K, turn = six ? in % 4 / 2 * 4 : in % 2 * 4, high_turn = six ? in % 4 * 2 : in;
        const uint8_t *high = b + (six ? 128 + in / 4 * 32 : 16), *s = b + 4;
        low += six ? in / 4 * 64 + in % 2 * 32 : in / 2 * 32;
        for (int i = 0, mask = six ? 3 : type == T_Q5_K; i < GROUP; i++)
            q[i] = (uint8_t)((low[i] >> turn & 15) | (high[i] >> high_turn & mask) << 4);
        for (int i = 0; six && i < 2; i++)
            scale[i] = to_half(from_half(half_at(b + 208)) * (float)(int8_t)b[192 + 2 * in + i]);
        if (six) return; /* else six bits each for d and m of eight groups, the last four of each in pieces */
        int factor = in < 4 ? s[in] & 63 : (s[in + 4] & 15) | s[in - 4] >> 6 << 4;
        int least = in < 4 ? s[in + 4] & 63 : s[in + 4] >> 4 | s[in] >> 6 << 4;
        scale[0] = to_half(d * (float)factor), scale[1] = to_half(-from_half(half_at(b + 2)) * (float)least);
    }
}

/* A tile is four tables, and then for eight columns each twice the lower bytes of four and the codes of both. */
static void pack_bfloat(const matrix *w, const uint8_t *rows, int tile, int n) {
    size_t wide = row_bytes(w->type, w->cols);
    uint8_t *at = w->bytes + (size_t)tile * w->tile_bytes;
    small *apart = kept_apart(w, tile), *end = apart + 2 * w->groups;
    memset(at, 0, w->tile_bytes), memset(apart, 0, w->apart_bytes), rows += (size_t)tile * LANES * wide;
    for (int r = 0; r < n; r++) {
        const uint8_t *row = rows + (size_t)r * wide;
        uint8_t *table = at + r / 4 * 16, *to = at + TABLES + r * 4;
        int most = 0;
        for (int k = r; k < r + 4 && k < n && r % 4 == 0; k++)
            for (int i = 0, high; i < w->cols; i++)
                if ((high = rows[(size_t)k * wide + (size_t)i * 2 + 1] & 127) > most) most = high;
        for (int k = 0; k < 16 && r % 4 == 0; k++)
            table[k] = (uint8_t)((k % 8 && most >= k % 8 - 1 ? most - k % 8 + 1 : 0) | k / 8 << 7);
        for (int i = 0; i < w->cols; i++) {
            int low = row[2 * i], high = row[2 * i + 1], code = table[1] - (high & 127) + 1, half = i / 4 % 2;
            uint8_t *eight = to + i / 8 * 192 + i % 4;
            if (code < 8) eight[64 * half] = (uint8_t)low, eight[128] |= (uint8_t)((code | high >> 7 << 3) << 4 * half);
            else if ((low || high & 127) && apart < end)
                *apart++ = (small){1 + i * LANES + r, float_at(w->type, row, i)};
        }
    }
}

/* Lay out tile number `tile` of w from the rows of the file. */
static void pack_tile(const matrix *w, const uint8_t *rows, int tile) {
    uint8_t *at = w->bytes + (size_t)tile * w->tile_bytes, q[GROUP];
    int n = w->rows - tile * LANES, width = TYPES[w->type].bytes;
    if (n < LANES || w->cols % GROUP) memset(at, 0, w->tile_bytes);
    if (w->form == BFLOAT16) { pack_bfloat(w, rows, tile, n < LANES ? n : LANES); return; }
    for (int r = 0; r < LANES && r < n; r++) {
        const uint8_t *row = rows + (size_t)(tile * LANES + r) * row_bytes(w->type, w->cols);
        if (is_float(w->form))
            for (int i = 0; i < w->cols; i++) memcpy(at + (i * LANES + r) * width, row + i * width, (size_t)width);
        else for (int g = 0; g < w->groups; g++) {
            uint16_t s[2];
            unpack(w->type, row, g, q, s);
            uint8_t *to = at + (size_t)g * w->group_bytes;
            for (int i = 0; i < SCALES[w->form]; i += 32) memcpy(to + i + r * 2, &s[i / 32], 2);
            to += SCALES[w->form] + r * 4; /* in every 64 bytes, four are of this row */
            for (int j = 0; w->form == INT8 && j < 8; j++) memcpy(to + 64 * j, q + 4 * j, 4);
            for (int j = 0; w->form != INT8 && j < 4; j++)
                for (int i = 4 * j; i < 4 * j + 4; i++) to[64 * j + i % 4] = (uint8_t)((q[i] & 15) | q[16 + i] << 4);
            for (int i = 0; w->form >= INT6_MIN && i < 8; i++) {
                const uint8_t *a = q + i / 4 * 16 + i % 4;
                to[256 + i / 4 * 64 + i % 4] = (uint8_t)(a[0] >> 4 | a[4] >> 4 << 2 | a[8] >> 4 << 4 | a[12] >> 4 << 6);
            }
        }
    }
}

/* What is added to d · q, as a multiple of d. */
INLINE float shift_of(int form) { return form == INT8 ? -SIGN : form == INT4 ? -8 : form == INT6_SPLIT ? -32 : 0; }

/* A group's numbers out of a tile: four of each of sixteen rows in q[0], the next four in q[1], … */
INLINE void numbers_of(const int form, const uint8_t *data, vi *q) {
    UNROLL for (int j = 0; j < 8; j++) {
        vi some = i_load(data + 64 * (form == INT8 ? j : j % 4));
        q[j] = form == INT8 ? some : i_and(j < 4 ? some : i_right(some, 4), 0x0F0F0F0F);
        if (form < INT6_MIN) continue;
        vi high = i_load(data + 256 + j / 4 * 64);
        high = j % 4 < 2 ? i_left(high, 4 - j % 4 * 2) : i_right(high, j % 4 * 2 - 4);
        q[j] = i_or(q[j], i_and(high, 0x30303030));
    }
}

/* Row r as floats: an embedding is looked up in the same tiles that score the vocabulary. */
static void matrix_row(const matrix *w, int r, float *y) {
    const uint8_t *tile = w->bytes + (size_t)(r / LANES) * w->tile_bytes;
    int lane = r % LANES, has_min = w->form == INT4_MIN || w->form == INT6_MIN;
    for (int i = 0; is_float(w->form) && i < w->cols; i++) {
        const uint8_t *at = tile + TABLES + i / 8 * 192 + lane * 4 + i % 4;
        if (w->form != BFLOAT16) y[i] = float_at(w->type, tile, i * LANES + lane);
        else y[i] = from_bits((uint32_t)tile[lane / 4 * 16 + (at[128] >> i % 8 / 4 * 4 & 15)] << 24
                              | (uint32_t)at[i % 8 / 4 * 64] << 16);
    }
    const small *apart = w->form == BFLOAT16 ? kept_apart(w, r / LANES) : NULL;
    for (int k = 0; apart && k < 2 * w->groups && apart[k].place; k++)
        if ((apart[k].place - 1) % LANES == lane) y[(apart[k].place - 1) / LANES] = apart[k].x;
    for (int g = 0; !is_float(w->form) && g < w->groups; g++, tile += w->group_bytes) {
        vi q[8];
        numbers_of(w->form, tile + SCALES[w->form], q);
        for (int j = 0; j < GROUP; j++) {
            const uint8_t *scale = tile + lane * 2 + (w->form == INT6_SPLIT && j >= 16 ? 32 : 0);
            float d = from_half(half_at(scale)), m = has_min ? from_half(half_at(scale + 32)) : d * shift_of(w->form);
            int number = ((const uint8_t *)q)[j / 4 * 64 + lane * 4 + j % 4];
            y[g * GROUP + j] = d * (float)(w->form == INT8 && !SIGN ? (int8_t)number : number) + m;
        }
    }
}

/* ── 6  Products ─────────────────────────────────────────────────────────────────────────────────────────────────────
   y = W x for many x at once. What W is made of decides how x is given: as floats, or, where the weights are whole
   numbers, rounded to whole numbers -127 … 127 with a scale for every 32. Since W is d q + m and x is d' q', their
   product over a group is d d' (q · q') + m d' (sum of q'): the sums are found once, when x is rounded.

   Vectors are kept in panels of up to PANEL, element by element (group by group) side by side, as they are needed. */

enum { PANEL = 8 };

typedef struct {
    int n, cols, floats, integers; /* n vectors, padded with zeros to cols, a multiple of GROUP; wanted as which */
    float *x, *scales;             /* scales: d', d' · sum, and d' · sum of the first half and of the second */
    int8_t *q;
} input;

INLINE int panel_width(const input *in, int first) { return in->n - first < PANEL ? in->n - first : PANEL; }

/* Round v to whole numbers -127 … 127 times what is returned. */
INLINE float to_bytes(const float *v, int n, int8_t *q) {
    uint32_t largest = 0;
    for (int i = 0; i < n; i++) {
        uint32_t bits = to_bits(v[i]) & 0x7FFFFFFF; /* floats without a sign are ordered as their bits */
        largest = bits > largest ? bits : largest;
    }
    float d = from_bits(largest) / 127, inverse = d > 1e-30f ? 1 / d : 0;
    for (int i = 0; i < n; i++) q[i] = (int8_t)to_bits(v[i] * inverse + 12582912.0f); /* rounds, see exp_of */
    return d;
}

static void set_input(input *in, int column, const float *v) {
    int first = column / PANEL * PANEL, width = panel_width(in, first), c = column - first, groups = in->cols / GROUP;
    if (in->floats) {
        float *x = in->x + (size_t)first * in->cols + c;
        for (int i = 0; i < in->cols; i++) x[(size_t)i * width] = v[i];
    }
    for (int g = 0; in->integers && g < groups; g++, v += GROUP) {
        int8_t *q = in->q + ((size_t)first * groups + (size_t)g * width + c) * GROUP;
        float d = to_bytes(v, GROUP, q);
        int sum[2] = {0, 0};
        for (int i = 0; i < GROUP / 2; i++) sum[0] += q[i], sum[1] += q[GROUP / 2 + i];
        float *s = in->scales + ((size_t)first * groups + (size_t)g * width + c) * 4;
        s[0] = d, s[2] = d * (float)sum[0], s[3] = d * (float)sum[1], s[1] = s[2] + s[3];
    }
}

enum { AHEAD = 4096 }; /* bytes: memory is asked for so far ahead of its use, as far as the processor looks itself */
#define PREFETCH(at, n) do { for (int i = 0; i < (n); i += 64) __builtin_prefetch((at) + AHEAD + i); } while (0)

/* Sixteen rows of whole numbers times nb vectors of a panel; form and nb are constants wherever this is used. */
INLINE void integers(const int form, const int nb, const matrix *w, const uint8_t *scales, const int8_t *x,
                     const float *xs, int width, float *y) {
    const int split = form == INT6_SPLIT, has_min = form == INT4_MIN || form == INT6_MIN;
    const int size = SCALES[form] + NUMBERS[form];
    const float shift = shift_of(form);
    vf sum[PANEL];
    vi q[8];
    UNROLL for (int c = 0; c < nb; c++) sum[c] = f_set(0);
    for (int g = 0; g < w->groups; g++) {
        PREFETCH(scales, size);
        numbers_of(form, scales + SCALES[form], q);
        const uint16_t *s = (const uint16_t *)(const void *)scales;
        vf d = f_halves(s), e = has_min || split ? f_halves(s + LANES) : f_mul(d, f_set(shift));
        vf d_shift = f_mul(d, f_set(shift)), e_shift = f_mul(e, f_set(shift));
        UNROLL for (int c = 0; c < nb; c++) {
            const int8_t *at = x + c * GROUP;
            const float *t = xs + c * 4;
            vi a = {{{0}}}, b = a;
#define DOT(a, j) a = form == INT8 ? i_dot_signed(a, q[j], at + 4 * j) : i_dot(a, q[j], at + 4 * j)
            UNROLL for (int j = 0; j < 4; j++) DOT(a, j);
            if (!split) b = a;
            UNROLL for (int j = 4; j < 8; j++) DOT(b, j);
#undef DOT
            if (split) {
                sum[c] = f_fma(f_mul(f_of(a), f_set(t[0])), d, f_fma(d_shift, f_set(t[2]), sum[c]));
                sum[c] = f_fma(f_mul(f_of(b), f_set(t[0])), e, f_fma(e_shift, f_set(t[3]), sum[c]));
            } else {
                sum[c] = f_fma(f_mul(f_of(b), f_set(t[0])), d, sum[c]);
                if (has_min || shift != 0) sum[c] = f_fma(e, f_set(t[1]), sum[c]);
            }
        }
        scales += size, x += width * GROUP, xs += width * 4;
    }
    UNROLL for (int c = 0; c < nb; c++) f_store(y + c * LANES, sum[c]);
}

/* Sixteen rows of floats times nb vectors, in two sums each: a lone vector's would wait for the last addition. */
INLINE void floats(const int form, const int nb, const matrix *w, const uint8_t *tile, const small *apart,
                   const float *x, int width, float *y) {
    const uint8_t *data = form == BFLOAT16 ? tile + TABLES : tile;
    const float *at = x;
    if (form == BFLOAT16) __builtin_prefetch(apart), __builtin_prefetch(tile + AHEAD);
    const int size = form == BFLOAT16 ? 96 : form == FLOAT16 ? 128 : 256; /* of four columns */
    vi table = i_load(tile);
    vf sum[2 * PANEL];
    UNROLL for (int c = 0; c < 2 * nb; c++) sum[c] = f_set(0);
    for (int k = 0; k < w->groups * GROUP; k += 8, data += 2 * size) {
        PREFETCH(data, 2 * size);
        UNROLL for (int h = 0; h < 2; h++) {
            vf v[4];
            if (form == BFLOAT16) {
                vi codes = i_load(data + 128), low = i_load(data + 64 * h);
                vi high = i_lookup(table, i_and(h ? i_right(codes, 4) : codes, 0x0F0F0F0F));
                vi even = i_or(i_and(i_left(high, 8), 0xFF00FF00), i_and(low, 0x00FF00FF)); /* columns 0 and 2 */
                vi odd = i_or(i_and(high, 0xFF00FF00), i_and(i_right(low, 8), 0x00FF00FF));
                v[0] = f_as(i_left(even, 16)), v[2] = f_as(i_and(even, 0xFFFF0000));
                v[1] = f_as(i_left(odd, 16)), v[3] = f_as(i_and(odd, 0xFFFF0000));
            } else {
                UNROLL for (int j = 0; j < 4; j++)
                    v[j] = form == FLOAT32 ? f_load((const float *)(const void *)(data + h * 256) + j * LANES)
                                           : f_halves((const uint16_t *)(const void *)(data + h * 128) + j * LANES);
            }
            UNROLL for (int j = 0; j < 4; j++)
                UNROLL for (int c = 0; c < nb; c++)
                    sum[2 * c + j % 2] = f_fma(v[j], f_set(at[j * width + c]), sum[2 * c + j % 2]);
            at += 4 * width;
        }
    }
    UNROLL for (int c = 0; c < nb; c++) f_store(y + c * LANES, f_add(sum[2 * c], sum[2 * c + 1]));
    for (int k = 0; form == BFLOAT16 && k < 2 * w->groups && apart[k].place; k++)
        for (int c = 0, row = (apart[k].place - 1) % LANES, column = (apart[k].place - 1) / LANES; c < nb; c++)
            y[c * LANES + row] += apart[k].x * x[column * width + c];
}

/* How many of n are done at a time, and the constants that the loops above are compiled for. */
static int step_of(int n) { return n >= 8 ? 8 : n >= 4 ? 4 : n; }
#define FOR_EACH_STEP(DO, X) DO(X, 1) DO(X, 2) DO(X, 3) DO(X, 4) DO(X, 8)

/* y [nb][16] = sixteen rows of w times the vectors `column` … of a panel. */
static void tile_times(const matrix *w, int tile, const input *in, int column, int nb, float *y) {
    int first = column / PANEL * PANEL, width = panel_width(in, first), c = column - first;
    const uint8_t *at = w->bytes + (size_t)tile * w->tile_bytes;
    const float *x = in->x + (size_t)first * in->cols + c, *xs = in->scales + ((size_t)first * w->groups + c) * 4;
    const int8_t *q = in->q + (size_t)first * in->cols + c * GROUP;
#define FLOATS(FORM, NB) case FORM * 16 + NB: floats(FORM, NB, w, at, kept_apart(w, tile), x, width, y); break;
#define INTEGERS(FORM, NB) case FORM * 16 + NB: integers(FORM, NB, w, at, q, xs, width, y); break;
    switch (w->form * 16 + nb) {
        FOR_EACH_STEP(FLOATS, FLOAT32) FOR_EACH_STEP(FLOATS, FLOAT16) FOR_EACH_STEP(FLOATS, BFLOAT16)
        FOR_EACH_STEP(INTEGERS, INT8) FOR_EACH_STEP(INTEGERS, INT4) FOR_EACH_STEP(INTEGERS, INT4_MIN)
        FOR_EACH_STEP(INTEGERS, INT6_MIN) FOR_EACH_STEP(INTEGERS, INT6_SPLIT)
    }
}

/* Up to three matrices that read the same x, each with its own place for what comes out. */
typedef struct {
    const input *in;
    int n_parts, side_by_side; /* side by side: the parts have the same rows, and a chunk takes them together */
    int n_tiles, n_chunks;
    struct { const matrix *w; float *y; int stride, add; } part[3];
    void (*then)(void *, int first, int last); /* by whoever has done rows first … last - 1 of side-by-side parts */
    void *argument;
} product;

static void product_tile(const product *p, int part, int tile, int column, int nb) {
    const matrix *w = p->part[part].w;
    float y[PANEL * LANES];
    int row = tile * LANES, n = w->rows - row < LANES ? w->rows - row : LANES;
    tile_times(w, tile, p->in, column, nb, y);
    for (int c = 0; c < nb; c++) {
        float *to = p->part[part].y + (size_t)(column + c) * p->part[part].stride + row;
        for (int r = 0; w->bias && r < n; r++) y[c * LANES + r] += w->bias[row + r];
        if (p->part[part].add) for (int r = 0; r < n; r++) to[r] += y[c * LANES + r];
        else memcpy(to, y + c * LANES, (size_t)n * sizeof(float));
    }
}

static void product_chunk(void *argument, int chunk) {
    const product *p = argument;
    int from = share(p->n_tiles, chunk, p->n_chunks), to = share(p->n_tiles, chunk + 1, p->n_chunks);
    for (int first = 0; first < p->in->n; first += PANEL)
        for (int i = 0; i < (p->side_by_side ? p->n_parts : 1); i++)
            for (int t = from; t < to; t++) {
                int part = i, tile = t;
                while (!p->side_by_side && tile >= n_tiles(p->part[part].w)) tile -= n_tiles(p->part[part++].w);
                for (int c = first, end = first + panel_width(p->in, first), nb; c < end; c += nb)
                    product_tile(p, part, tile, c, nb = step_of(end - c));
            }
    int rows = p->part[0].w->rows;
    if (p->then) p->then(p->argument, from * LANES, to * LANES < rows ? to * LANES : rows);
}

static void multiply(pool *threads, product *p) {
    for (int i = 0; i < (p->side_by_side ? 1 : p->n_parts); i++) p->n_tiles += n_tiles(p->part[i].w);
    int n = 2 * threads->n_threads; /* few pieces, for each begins slowly; more where each is long */
    if (p->in->n > PANEL && p->n_tiles / 8 > n) n = p->n_tiles / 8;
    p->n_chunks = n > p->n_tiles ? p->n_tiles : n;
    parallel(threads, product_chunk, p, p->n_chunks);
}

/* ── 7  The model ────────────────────────────────────────────────────────────────────────────────────────────────────
   A stream x holds one vector of width d for each position. Each block adds to it twice: attention brings in what
   earlier positions know, the MLP works on each position alone. At the end, a token's score is its match with x. */

enum { LEARNED, ROTARY, NOWHERE };            /* how a position is known */
enum { LAYER, RMS };                          /* how a vector is brought to one length */
enum { GELU, SWIGLU, GEGLU, RELU2, NO_MLP };
enum { MOST_TOKENS = 256, MOST_HEAD = 1024 }; /* tokens that go through the blocks together; the widest head */
enum { PAGE = 128, MOST_PARTS = 64 };         /* positions remembered together; parts of the past mixed apart */

static const char *const POSITIONS[] = {"learned", "rotary", "none", NULL}, *const NORMS[] = {"layer", "rms", NULL};
static const char *const MLPS[] = {"gelu", "swiglu", "geglu", "relu2", "none", NULL};
static const struct { const char *name, *positions, *norm, *mlp; int side_by_side; } FAMILIES[] = {
    {"gpt2", "learned", "layer", "gelu", 0}, {"llama", "rotary", "rms", "swiglu", 1},
    {"qwen3", "rotary", "rms", "swiglu", 0}, {"arcee", "rotary", "rms", "relu2", 1},
    {"gemma3", "rotary", "rms", "geglu", 0}, {NULL, "", "", "", 0},
}; /* side_by_side: how llama.cpp lays the pairs that a rotary position turns */

typedef struct {
    matrix ln1, q_norm, k_norm, after_attention, ln2, after_mlp; /* norms; gain NULL: not in this model */
    matrix qkv[3], O, gate, in, out;
    int n_qkv, window; /* one matrix or three; window 0: attention sees every position */
} block;

typedef struct { matrix *matrix; float **vector; int rows, cols, type; size_t at; char name[64]; } wish; /* for whom */
typedef struct tf_cache tf_cache;

typedef struct {
    pool threads;
    pthread_mutex_t lock;
    gguf *file; /* while it is being loaded */
    vocabulary words;
    pile memory;
    char kind[32], key[128];
    int positions, norm, mlp, side_by_side;
    int v, context, n_layers, d, h, n, e, f; /* n: heads of keys and values */
    int part_length;                         /* positions of the past that are mixed in one go, see section 9 */
    float eps, embedding_scale;
    float *factors; /* which frequencies are divided by */
    double base[2], *frequency[2]; /* of each pair of channels; 1: in blocks with a window */
    matrix W_E, W_U, W_pos, ln_final;
    block *blocks;
    wish *wishes; /* all weights, at their places in one piece of memory of so many bytes */
    int n_wishes;
    size_t n_bytes;

    int n_tokens, n_tiles, n_apart, n_chosen, layer; /* of the pass that is under way */
    struct { int id, position; tf_cache *cache; } token[MOST_TOKENS];
    struct { int first, n; } tile[MOST_TOKENS];   /* neighbours in one sequence, for attention */
    int chosen[MOST_TOKENS];                      /* tokens whose scores are wanted */
    const matrix *by;                             /* what brings vectors to one length now */
    int d_room, qkv_room, z_room, f_room, e_room; /* widths, up to a multiple of 32 */
    float *x, *normal, *qkv, *z, *wide, *gate, *turn, *part;
    input in;
} tf_model;

static int room(int n) { return (n + GROUP - 1) / GROUP * GROUP; }

/* Where the numbers of a wish lie in a file, in the type that they had before or, at first, in any. NULL, and why. */
static const uint8_t *place(const gguf *g, wish *w) {
    const tensor *t = gguf_tensor(g, w->name);
    if (!t || (w->type >= 0 && t->type != w->type))
        return fail("%s is not there, or not as it was", w->name), NULL;
    if (t->n_dims != (w->matrix ? 2 : 1) || t->sizes[0] != (uint64_t)w->cols || t->sizes[1] != (uint64_t)w->rows)
        return fail("%s is %d × %d where %d × %d is meant", w->name, (int)t->sizes[1], (int)t->sizes[0], w->rows,
                    w->cols), NULL;
    if ((unsigned)t->type >= N_TYPES || !TYPES[t->type].name || (w->vector && TYPES[t->type].block > 1))
        return fail("%s is stored as GGML type %d; a matrix may be F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, "
                    "Q5_K or Q6_K, a vector one of the first three", w->name, t->type), NULL;
    if (w->cols % TYPES[t->type].block)
        return fail("%s has rows of %d, which blocks of %d do not fill", w->name, w->cols, TYPES[t->type].block), NULL;
    w->type = t->type;
    uint64_t bytes = (uint64_t)w->rows * row_bytes(w->type, w->cols);
    if (t->offset > g->size - g->start || bytes > g->size - g->start - t->offset)
        return fail("the file is truncated: it has %zu bytes, and %s ends at byte %" PRIu64, g->size, w->name,
                    g->start + t->offset + bytes), NULL;
    return g->bytes + g->start + t->offset;
}

/* Ask for blk.layer.name.suffix (without blk.layer. below 0), and find it a place. 1, also where it is missing and may
   be; or 0 and why. */
static int ask(tf_model *m, matrix *to, float **vector, int rows, int cols, int layer, const char *name,
               const char *suffix, int optional) {
    wish *w = &m->wishes[m->n_wishes];
    *w = (wish){to, vector, rows, cols, -1, m->n_bytes, ""};
    if (layer < 0) snprintf(w->name, sizeof w->name, "%s.%s", name, suffix);
    else snprintf(w->name, sizeof w->name, "blk.%d.%s.%s", layer, name, suffix);
    if (!gguf_tensor(m->file, w->name))
        return optional || fail("the file has no %s, which a %s model needs", w->name, m->kind);
    if (!place(m->file, w)) return 0;
    if (to) *to = matrix_of(w->type, rows, cols), *(is_float(to->form) ? &m->in.floats : &m->in.integers) = 1;
    m->n_bytes += to ? (size_t)n_tiles(to) * (to->tile_bytes + to->apart_bytes) : (size_t)cols * sizeof(float);
    m->n_bytes = (m->n_bytes + 63) & ~(size_t)63;
    return ++m->n_wishes;
}

enum { NOT, NEEDED, OPTIONAL };

/* A matrix, or a norm (0 rows), with the bias that it may have. */
static int want(tf_model *m, matrix *to, int rows, int cols, int layer, const char *name, int need) {
    matrix *whole = rows ? to : NULL;
    float **gain = rows ? NULL : &to->gain;
    return need == NOT || (ask(m, whole, gain, rows ? rows : 1, cols, layer, name, "weight", need == OPTIONAL)
                           && ask(m, NULL, &to->bias, 1, rows ? rows : cols, layer, name, "bias", 1));
}

static int want_block(tf_model *m, block *b, int i) {
    int h = m->h * m->e, n = m->n * m->e, d = m->d, f = m->f, mlp = m->mlp != NO_MLP;
    char fused[64];
    snprintf(fused, sizeof fused, "blk.%d.attn_qkv.weight", i);
    b->n_qkv = gguf_tensor(m->file, fused) ? 1 : 3;
    const struct { const char *name; matrix *to; int rows, cols, need; } all[] = {
        {"attn_norm", &b->ln1, 0, d, NEEDED}, {"attn_output", &b->O, d, h, NEEDED},
        {"attn_qkv", &b->qkv[0], h + 2 * n, d, b->n_qkv == 1}, {"attn_q", &b->qkv[0], h, d, b->n_qkv == 3},
        {"attn_k", &b->qkv[1], n, d, b->n_qkv == 3}, {"attn_v", &b->qkv[2], n, d, b->n_qkv == 3},
        {"attn_q_norm", &b->q_norm, 0, m->e, OPTIONAL}, {"attn_k_norm", &b->k_norm, 0, m->e, OPTIONAL},
        {"post_attention_norm", &b->after_attention, 0, d, OPTIONAL}, {"ffn_norm", &b->ln2, 0, d, mlp},
        {"post_ffw_norm", &b->after_mlp, 0, d, mlp ? OPTIONAL : NOT}, {"ffn_up", &b->in, f, d, mlp},
        {"ffn_gate", &b->gate, f, d, m->mlp == SWIGLU || m->mlp == GEGLU}, {"ffn_down", &b->out, d, f, mlp},
    };
    int sound = 1;
    for (size_t k = 0; k < sizeof all / sizeof *all && sound; k++)
        sound = want(m, all[k].to, all[k].rows, all[k].cols, i, all[k].name, all[k].need);
    return sound;
}

/* The full name of a key of the model's own. */
static const char *key_of(tf_model *m, const char *key) {
    snprintf(m->key, sizeof m->key, "%s.%s", m->kind, key);
    return m->key;
}

/* A whole number from `least` on, by its key. `missing` below least: it must be there. */
static int size(tf_model *m, const char *key, int missing, int least, int *to) {
    double x = gguf_number(m->file, key_of(m, key), missing);
    if (!(x >= least && x <= INT32_MAX && x == floor(x))) return fail("%s is %g, and cannot be", key_of(m, key), x);
    *to = (int)x;
    return 1;
}

/* Which of some words a key says, or the family, which needs no key; -1 for none. */
static int word(tf_model *m, const char *key, const char *missing, const char *const *words) {
    text said = gguf_text(m->file, key_of(m, key), missing);
    for (int i = 0; words[i]; i++)
        if (same(said, words[i])) return i;
    return -1;
}

static int configure(tf_model *m) {
    text kind = gguf_text(m->file, "general.architecture", "");
    snprintf(m->kind, sizeof m->kind, "%.*s", kind.n < 31 ? (int)kind.n : 31, kind.at);
    int i = 0;
    while (FAMILIES[i].name && strcmp(m->kind, FAMILIES[i].name)) i++;
    m->positions = word(m, "positions", FAMILIES[i].positions, POSITIONS), m->side_by_side = FAMILIES[i].side_by_side;
    m->norm = word(m, "norm", FAMILIES[i].norm, NORMS), m->mlp = word(m, "mlp", FAMILIES[i].mlp, MLPS);
    if (m->positions < 0 || m->norm < 0 || m->mlp < 0)
        return fail("a '%s' model cannot be run; gpt2, llama, qwen3, arcee, gemma3 and twofold's own can", m->kind);

    int width, window = 0, gemma = !strcmp(m->kind, "gemma3");
    const entry *tokens = gguf_get(m->file, "tokenizer.ggml.tokens");
    if (!tokens || tokens->kind != ARRAY || tokens->count < 1 || tokens->count > MOST_HEADER)
        return fail("the file has no tokenizer.ggml.tokens, the names of its tokens");
    m->v = (int)tokens->count;
    if (!size(m, "context_length", -1, 1, &m->context) || !size(m, "block_count", -1, 0, &m->n_layers)
        || !size(m, "embedding_length", -1, 1, &m->d) || !size(m, "attention.head_count", -1, 1, &m->h)
        || !size(m, "attention.head_count_kv", m->h, 1, &m->n)
        || !size(m, "attention.key_length", m->d / m->h, 1, &m->e)
        || !size(m, "feed_forward_length", 0, 0, &m->f) || !size(m, "rope.dimension_count", m->e, 1, &width)
        || (gemma && !size(m, "attention.sliding_window", 512, 1, &window))) return 0;
    m->part_length = (m->context / (MOST_PARTS * PAGE) + 1) * PAGE;
    if (m->part_length < 2 * PAGE) m->part_length = 2 * PAGE;
    int turned = m->positions == ROTARY;
    text scaling = gguf_text(m->file, key_of(m, "rope.scaling.type"), "none");
    if (m->h % m->n || m->e > MOST_HEAD || (int64_t)m->h * m->e > 1 << 24 || m->d > 1 << 24 || m->f > 1 << 24
        || m->n_layers > MOST_ENTRIES || (turned && (m->e % 2 || width != m->e || !same(scaling, "none"))))
        return fail("%d heads over %d of width %d, turned over %d with scaling '%.*s', cannot be run",
                    m->h, m->n, m->e, width, scaling.n < 40 ? (int)scaling.n : 40, scaling.at);
    const char *eps = m->norm == RMS ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon";
    m->eps = (float)gguf_number(m->file, key_of(m, eps), -1);
    if (!(m->eps >= 0)) return fail("the file does not say the epsilon of its norms");
    m->embedding_scale = gemma ? sqrtf((float)m->d) : 1;

    m->blocks = zeros(&m->memory, (size_t)m->n_layers, sizeof *m->blocks);
    m->wishes = zeros(&m->memory, (size_t)m->file->n_tensors, sizeof *m->wishes);
    for (int i = 0; i < 2; i++) m->frequency[i] = zeros(&m->memory, (size_t)m->e, sizeof(double));
    if (m->memory.failed) return fail("out of memory");
    m->base[0] = gguf_number(m->file, key_of(m, "rope.freq_base"), 10000);
    m->base[1] = gguf_number(m->file, key_of(m, "rope.freq_base_swa"), 10000);
    for (int i = 0; gemma && i < m->n_layers; i++) m->blocks[i].window = (i + 1) % 6 ? window : 0;

    int sound = want(m, &m->W_E, m->v, m->d, -1, "token_embd", NEEDED)
             && want(m, &m->W_U, m->v, m->d, -1, "output", OPTIONAL)
             && want(m, &m->W_pos, m->context, m->d, -1, "position_embd", m->positions == LEARNED)
             && (!turned || ask(m, NULL, &m->factors, 1, m->e / 2, -1, "rope_freqs", "weight", 1))
             && want(m, &m->ln_final, 0, m->d, -1, "output_norm", NEEDED);
    for (int i = 0; i < m->n_layers && sound; i++) sound = want_block(m, &m->blocks[i], i);
    for (int i = 0; i < m->file->n_tensors && sound; i++) { /* what is left over would be missing */
        text name = m->file->tensors[i].name;
        int j = 0;
        while (j < m->n_wishes && !same(name, m->wishes[j].name)) j++;
        if (j == m->n_wishes)
            sound = fail("there is no place for %.*s; without it the model would run wrong",
                         name.n < 99 ? (int)name.n : 99, name.at);
    }
    return sound;
}

typedef struct { const matrix *w; const uint8_t *from; int n_chunks; } packing;

static void pack_chunk(void *argument, int chunk) {
    const packing *p = argument;
    int end = share(n_tiles(p->w), chunk + 1, p->n_chunks);
    for (int tile = share(n_tiles(p->w), chunk, p->n_chunks); tile < end; tile++) pack_tile(p->w, p->from, tile);
}

/* Take every wish out of a file, in which all of them have been found. */
static void fill(tf_model *m, const gguf *g) {
    for (int i = 0; i < m->n_wishes; i++) {
        wish *w = &m->wishes[i];
        const uint8_t *from = place(g, w);
        for (int j = 0; w->vector && j < w->cols; j++) (*w->vector)[j] = float_at(w->type, from, j);
        if (w->vector) continue;
        packing p = {w->matrix, from, n_tiles(w->matrix) < 64 ? n_tiles(w->matrix) : 64};
        parallel(&m->threads, pack_chunk, &p, p.n_chunks);
#ifdef MADV_DONTNEED
        uintptr_t page = 1 << 16, begin = ((uintptr_t)from + page - 1) / page * page; /* need not stay in memory */
        uintptr_t end = ((uintptr_t)from + (size_t)w->rows * row_bytes(w->type, w->cols)) / page * page;
        if (g->mapped && end > begin) madvise((void *)begin, end - begin, MADV_DONTNEED);
#endif
    }
    for (int i = 0; i < m->e; i++) {
        int pair = i / 2, local = i % 2;
        m->frequency[local][pair] = pow(m->base[local], -2.0 * pair / m->e) / (m->factors ? m->factors[pair] : 1);
    }
}

/* Zeros; much of them in large pages, where there are any: fewer misses of the table of pages. */
static uint8_t *large(pile *p, size_t bytes) {
    size_t align = bytes < 4 * HUGE_PAGE ? 64 : HUGE_PAGE;
    uint8_t *at = zeros(p, bytes + 2 * align, 1);
    if (!at) return NULL;
    at = (uint8_t *)(((uintptr_t)at + align - 1) & ~(uintptr_t)(align - 1));
#ifdef MADV_HUGEPAGE
    if (align == HUGE_PAGE) madvise(at, bytes, MADV_HUGEPAGE);
#endif
    return at;
}

/* Memory for all weights. 1, or 0 with a message. */
static int make_room(tf_model *m) {
#ifdef _SC_PHYS_PAGES
    double there_is = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    if (there_is > 0 && (double)m->n_bytes > 0.95 * there_is)
        return fail("the weights take %.1f GB, and this machine has %.1f", (double)m->n_bytes / 1e9, there_is / 1e9);
#endif
    uint8_t *start = large(&m->memory, m->n_bytes);
    if (!start) return fail("%.1f GB of memory cannot be had", (double)m->n_bytes / 1e9);
    for (wish *w = m->wishes; w < m->wishes + m->n_wishes; w++)
        if (w->vector) *w->vector = (float *)(void *)(start + w->at);
        else w->matrix->bytes = start + w->at;
    return 1;
}

static void *desk(tf_model *m, int width) { /* what a pass works on: floats for each token */
    return zeros(&m->memory, (size_t)MOST_TOKENS * (size_t)width + LANES, sizeof(float));
}

static int make_desk(tf_model *m) {
    m->d_room = room(m->d), m->qkv_room = room((m->h + 2 * m->n) * m->e), m->z_room = room(m->h * m->e);
    m->f_room = room(m->f), m->e_room = room(m->e);
    int widest = m->d_room > m->z_room ? m->d_room : m->z_room;
    widest = widest > m->f_room ? widest : m->f_room;
    m->x = desk(m, m->d_room), m->normal = desk(m, m->d_room), m->qkv = desk(m, m->qkv_room);
    m->z = desk(m, m->z_room), m->wide = desk(m, m->f_room), m->gate = desk(m, m->f_room), m->turn = desk(m, 2 * m->e);
    m->part = desk(m, m->h * (m->e_room + LANES));
    m->in.x = desk(m, widest), m->in.scales = desk(m, widest / 8), m->in.q = desk(m, widest / 4);
    return !m->memory.failed || fail("out of memory");
}

void tf_close(tf_model *m) {
    if (!m) return;
    pool_close(&m->threads), pthread_mutex_destroy(&m->lock), gguf_close(m->file), let_go(&m->memory), free(m);
}

/* The model in the file at a path, or in n bytes (path NULL). Threads 0: as many as there are cores. NULL, and why. */
tf_model *tf_open(const char *path, const void *bytes, size_t n, int threads) {
    gguf *file = gguf_open(path, bytes, n);
    tf_model *m = file ? calloc(1, sizeof *m) : NULL;
    if (!m) return gguf_close(file), NULL;
    m->file = file;
    pthread_mutex_init(&m->lock, NULL);
    pool_open(&m->threads, threads < 1 ? n_cores() : threads < MOST_THREADS ? threads : MOST_THREADS);
    read_vocabulary(&m->words, file, path ? path : "the buffer", &m->memory);
    if (!configure(m) || !make_room(m) || !make_desk(m)) return tf_close(m), NULL;
    fill(m, file);
    if (!m->W_U.bytes) m->W_U = m->W_E; /* tied: one matrix for both */
    return gguf_close(file), m->file = NULL, m;
}

/* New weights of the same shapes and types. What caches hold stays as the old ones made it. */
int tf_refresh(tf_model *m, const void *bytes, size_t n) {
    gguf *g = gguf_open(NULL, bytes, n);
    if (!g) return -1;
    pthread_mutex_lock(&m->lock);
    int sound = 1;
    for (int i = 0; i < m->n_wishes && sound; i++) sound = place(g, &m->wishes[i]) != NULL;
    if (sound) fill(m, g);
    pthread_mutex_unlock(&m->lock);
    return gguf_close(g), sound - 1;
}

int tf_size(const tf_model *m, int what) {
    int sizes[] = {m->v, m->context, m->n_layers, m->d, m->threads.n_threads};
    return what < 0 || what > 4 ? -1 : sizes[what];
}

const char *tf_kernel(void) { return KERNEL; }

/* ── 8  What is remembered ───────────────────────────────────────────────────────────────────────────────────────────
   The keys and values of one sequence, in pages of PAGE positions, each with all layers and heads, so that a sequence
   grows through memory in one line. Values lie position by position; keys in blocks of sixteen positions, channel by
   channel, so that a query meets sixteen keys at once. With KEEP_INT8 each key and value has a scale of its own. Memory
   that was asked for and never written costs nothing, so a cache may be as long as the context. */

enum { KEEP_HALF, KEEP_INT8, KEEP_FLOAT, N_KEEPS };
static const int KEEP_BYTES[N_KEEPS] = {2, 1, 4};

struct tf_cache {
    const tf_model *model;
    int capacity, kind, length;
    size_t slab_bytes, page_bytes; /* of one head's keys or values in a page, with their scales at the end; of a page */
    uint8_t *bytes;
    pile memory;
};

/* What a page keeps of a head in a layer. */
static uint8_t *slab(const tf_cache *c, int page, int layer, int values, int head) {
    size_t number = ((size_t)layer * 2 + (size_t)values) * (size_t)c->model->n + (size_t)head;
    return c->bytes + (size_t)page * c->page_bytes + number * c->slab_bytes;
}

static float *slab_scales(const tf_cache *c, uint8_t *slab) {
    return (float *)(void *)(slab + (size_t)(PAGE * KEEP_BYTES[c->kind] * c->model->e_room));
}

void tf_cache_free(tf_cache *c) {
    if (c) let_go(&c->memory), free(c);
}

tf_cache *tf_cache_new(tf_model *m, int capacity, int kind) {
    if (kind < 0) kind = is_float(m->W_E.form) ? KEEP_FLOAT : KEEP_HALF; /* as exact as the weights */
    if (capacity < 1 || capacity > m->context || kind >= N_KEEPS)
        return fail("a cache of kind %d for %d positions cannot be; the context is %d", kind, capacity,
                    m->context), NULL;
    tf_cache *c = calloc(1, sizeof *c);
    if (!c) return fail("out of memory"), NULL;
    *c = (tf_cache){.model = m, .capacity = capacity, .kind = kind};
    c->slab_bytes = (size_t)(PAGE * (m->e_room * KEEP_BYTES[kind] + (kind == KEEP_INT8 ? 4 : 0)));
    c->page_bytes = c->slab_bytes * 2 * (size_t)m->n * (size_t)m->n_layers;
    size_t bytes = c->page_bytes * (((size_t)capacity + PAGE - 1) / PAGE);
    if ((c->bytes = large(&c->memory, bytes))) return c;
    return free(c), fail("%.1f GB of memory for a cache cannot be had", (double)bytes / 1e9), NULL;
}

int tf_cache_length(const tf_cache *c) { return c->length; }

int tf_cache_keep(tf_cache *c, int n) {
    if (n < 0 || n > c->length) return fail("%d positions cannot be kept of %d", n, c->length), -1;
    return c->length = n, 0;
}

int tf_cache_copy(tf_cache *to, const tf_cache *from, int n) {
    if (to->model != from->model || to->kind != from->kind || n < 0 || n > from->length || n > to->capacity)
        return fail("%d positions of %d cannot be copied to a cache of %d", n, from->length, to->capacity), -1;
    if (to != from) memcpy(to->bytes, from->bytes, to->page_bytes * (size_t)((n + PAGE - 1) / PAGE));
    return to->length = n, 0;
}

/* Keep the key or the value v [e] of a head, padded with zeros to e_room. */
static void remember(tf_cache *c, int layer, int values, int head, int position, const float *v) {
    int width = c->model->e_room, size = KEEP_BYTES[c->kind], e = c->model->e, p = position % PAGE;
    uint8_t row[MOST_HEAD * 4], *at = slab(c, position / PAGE, layer, values, head);
    if (c->kind == KEEP_FLOAT) memcpy(row, v, (size_t)width * 4);
    if (c->kind == KEEP_INT8) slab_scales(c, at)[p] = to_bytes(v, width, (int8_t *)row);
    for (int i = 0; c->kind == KEEP_HALF && i < width; i += LANES)
        f_to_halves((uint16_t *)(void *)row + i, f_load(v + i));
    if (values) { memcpy(at + p * width * size, row, (size_t)(width * size)); return; }
#define SCATTER(KIND, SIZE) \
    case KIND: for (int i = 0; i < e; i++) memcpy(at + i * LANES * SIZE, row + i * SIZE, SIZE); break;
    at += (p / LANES * width * LANES + p % LANES) * size;
    switch (c->kind) { SCATTER(KEEP_HALF, 2) SCATTER(KEEP_INT8, 1) SCATTER(KEEP_FLOAT, 4) }
#undef SCATTER
}

/* ── 9  Attention ────────────────────────────────────────────────────────────────────────────────────────────────────
   Each position mixes the values of those up to itself, by how well its query meets their keys. Positions are taken
   a page at a time: what has been mixed so far shrinks whenever a larger score turns up (Milakov, Gimelshein 2018), so
   that no row of scores is ever kept whole. The past is cut into parts at fixed positions, which are mixed apart, by
   several threads if need be, and joined in order: what else is read at the same time changes no bit of the outcome. */

enum { MOST_ROWS = 8, TILE_ROWS = 24 };
typedef struct { const float *q; float *z, most, sum, scores[PAGE]; int from, to; } row; /* sees from … to - 1 */

INLINE vf load_kept(const int kind, const uint8_t *at) {
    return kind == KEEP_FLOAT ? f_load((const float *)(const void *)at)
         : kind == KEEP_HALF ? f_halves((const uint16_t *)(const void *)at) : f_bytes((const int8_t *)at);
}

/* Scores of nr queries with the n keys (and a few more) from `keys` on. `ahead`: where the next to be read lie. */
INLINE void score(const int kind, const int nr, const uint8_t *keys, const float *scales, int e, int e_room, int n,
                  size_t ahead, row *rows) {
    for (int p = 0; p < n; p += LANES) {
        const uint8_t *at = keys + p * e_room * KEEP_BYTES[kind];
        vf sum[MOST_ROWS];
        UNROLL for (int r = 0; r < nr; r++) sum[r] = f_set(0);
        for (int i = 0; i < e; i++, at += LANES * KEEP_BYTES[kind]) {
            vf key = load_kept(kind, at);
            __builtin_prefetch(at + ahead, 0, 2);
            UNROLL for (int r = 0; r < nr; r++) sum[r] = f_fma(key, f_set(rows[r].q[i]), sum[r]);
        }
        UNROLL for (int r = 0; r < nr; r++)
            f_store(rows[r].scores + p, kind == KEEP_INT8 ? f_mul(sum[r], f_load(scales + p)) : sum[r]);
    }
}

/* Add to each z the n values from `values` on, by their scores. */
INLINE void blend(const int kind, const int nr, const uint8_t *values, int e_room, int n, size_t ahead, row *rows) {
    for (int i = 0; i < e_room; i += 2 * LANES) {
        const uint8_t *at = values + i * KEEP_BYTES[kind];
        vf sum[2 * MOST_ROWS];
        UNROLL for (int r = 0; r < 2 * nr; r++) sum[r] = f_load(rows[r / 2].z + i + r % 2 * LANES);
        for (int p = 0; p < n; p++, at += e_room * KEEP_BYTES[kind]) {
            vf one = load_kept(kind, at), two = load_kept(kind, at + LANES * KEEP_BYTES[kind]);
            __builtin_prefetch(at + ahead, 0, 2);
            UNROLL for (int r = 0; r < nr; r++) {
                vf share = f_set(rows[r].scores[p]);
                sum[2 * r] = f_fma(one, share, sum[2 * r]), sum[2 * r + 1] = f_fma(two, share, sum[2 * r + 1]);
            }
        }
        UNROLL for (int r = 0; r < 2 * nr; r++) f_store(rows[r / 2].z + i + r % 2 * LANES, sum[r]);
    }
}

/* Scores of n positions become shares, e^(score - most); what came before shrinks as `most` grows. */
static void weigh(row *r, int at, int n, const float *scales, int e_room) {
    for (int p = 0; p < (n + LANES - 1) / LANES * LANES; p++)
        if (p < r->from - at || p >= r->to - at || p >= n) r->scores[p] = -INFINITY;
    vf most = f_set(r->most);
    for (int p = 0; p < n; p += LANES) most = f_max(f_load(r->scores + p), most);
    float now = largest_of(most), shrink = exp_of(r->most - now), sum[LANES] = {0}, all = 0;
    if (now == -INFINITY) { /* it sees nothing here, and has seen nothing */
        memset(r->scores, 0, (size_t)n * sizeof(float));
        return;
    }
    for (int p = 0; p < n; p += LANES)
        for (int i = 0; i < LANES; i++) r->scores[p + i] = exp_of(r->scores[p + i] - now), sum[i] += r->scores[p + i];
    for (int i = 0; i < LANES; i++) all += sum[i];
    for (int p = 0; scales && p < n; p++) r->scores[p] *= scales[p];
    for (int i = 0; i < e_room && shrink != 1; i++) r->z[i] *= shrink;
    r->sum = r->sum * shrink + all, r->most = now;
}

static float *row_of(float *rows, int width, int t) { return rows + (size_t)t * (size_t)width; }

/* Where a part of the past leaves what it makes of a query: z [e_room], then its largest score, the sum of shares. */
static float *part_of(const tf_model *m, int t, int part, int query) {
    return row_of(m->part, m->e_room + LANES, (t * m->n_apart + part) * m->h + query);
}

/* To what earlier parts made of a query, add what the next one does. */
static __attribute__((noinline)) void join(float *to, const float *next, int e_room) {
    float most = fmaxf(to[e_room], next[e_room]), keep = exp_of(to[e_room] - most), add = exp_of(next[e_room] - most);
    for (int i = 0; i < e_room; i++) to[i] = to[i] * keep + next[i] * add;
    to[e_room] = most, to[e_room + 1] = to[e_room + 1] * keep + next[e_room + 1] * add;
}

/* Positions begin … stop - 1 of head number `head`, for nr rows whose z, most and sum are at their beginning. */
INLINE void attend_pages(const int kind, const int nr, const tf_model *m, const tf_cache *c, int head, int begin,
                         int stop, row *rows) {
    for (int at = begin; at < stop; at += PAGE) {
        int n = stop - at < PAGE ? stop - at : PAGE;
        uint8_t *keys = slab(c, at / PAGE, m->layer, 0, head), *values = slab(c, at / PAGE, m->layer, 1, head);
        const float *scales = kind == KEEP_INT8 ? slab_scales(c, values) : NULL;
        size_t ahead = (size_t)(values - keys);
        score(kind, nr, keys, slab_scales(c, keys), m->e, m->e_room, n, ahead, rows);
        for (int r = 0; r < nr; r++) weigh(&rows[r], at, n, scales, m->e_room);
        blend(kind, nr, values, m->e_room, n, c->page_bytes - ahead, rows);
    }
}

static void attend_part(const tf_model *m, const tf_cache *c, int head, int begin, int stop, int nr, row *rows) {
#define IF_KIND(KIND, NR) case KIND * 16 + NR: attend_pages(KIND, NR, m, c, head, begin, stop, rows); break;
    switch (c->kind * 16 + nr) {
        FOR_EACH_STEP(IF_KIND, KEEP_HALF) FOR_EACH_STEP(IF_KIND, KEEP_INT8) FOR_EACH_STEP(IF_KIND, KEEP_FLOAT)
    }
}

/* One tile of tokens, one head of keys and values with the queries it serves; one part of the past, or all in turn. */
static void attend(void *argument, int task) {
    tf_model *m = argument;
    int apart = task % m->n_apart, head = task / m->n_apart % m->n, tile = task / m->n_apart / m->n;
    int first = m->tile[tile].first, group = m->h / m->n, n_rows = m->tile[tile].n * group, length = m->part_length;
    int window = m->blocks[m->layer].window, p = m->token[first].position, end = p + m->tile[tile].n;
    int seen = window && p >= window ? (p - window + 1) / length : 0, from = m->n_apart > 1 ? apart : seen;
    int to = m->n_apart > 1 ? apart + 1 : (end + length - 1) / length;
    float other[MOST_ROWS][MOST_HEAD + LANES], *made[MOST_ROWS];
    row rows[MOST_ROWS];
    for (int done = 0, nr; done < n_rows; done += nr) {
        nr = step_of(n_rows - done);
        for (int part = from; part < to; part++) {
            int stop = part < seen ? 0 : (part + 1) * length < end ? (part + 1) * length : end;
            for (int r = 0; r < nr; r++) {
                int t = first + (done + r) / group, query = head * group + (done + r) % group;
                p = m->token[t].position, made[r] = part_of(m, t, apart, query);
                rows[r] = (row){.q = row_of(m->qkv, m->qkv_room, t) + query * m->e, .most = -INFINITY, .to = p + 1,
                                .z = part == from ? made[r] : other[r],
                                .from = window && p >= window ? p - window + 1 : 0};
                memset(rows[r].z, 0, (size_t)m->e_room * sizeof(float));
            }
            attend_part(m, m->token[first].cache, head, part * length, stop, nr, rows);
            for (int r = 0; r < nr; r++) {
                rows[r].z[m->e_room] = rows[r].most, rows[r].z[m->e_room + 1] = rows[r].sum;
                if (part > from) join(made[r], other[r], m->e_room);
            }
        }
    }
}

/* ── 10  The pass through the model ──────────────────────────────────────────────────────────────────────────────────
   Some tokens, of one sequence or of many, go through all blocks together, so that each weight is read once for all. */

static void normalise(const tf_model *m, const matrix *by, const float *x, float *y, int n) {
    float mean = 0;
    if (m->norm == LAYER) {
        for (int i = 0; i < n; i++) mean += x[i];
        mean /= (float)n;
    }
    for (int i = 0; i < n; i++) y[i] = x[i] - mean;
    float scale = 1 / sqrtf(dot(y, y, n) / (float)n + m->eps);
    for (int i = 0; i < n; i++) y[i] *= scale * by->gain[i];
    for (int i = 0; by->bias && i < n; i++) y[i] += by->bias[i];
}

static void each_token(tf_model *m, void (*work)(void *, int), int n, const matrix *by) {
    m->by = by;
    if (n > 2) parallel(&m->threads, work, m, n);
    else for (int t = 0; t < n; t++) work(m, t);
}

static void begin(void *argument, int t) {
    tf_model *m = argument;
    float *x = row_of(m->x, m->d_room, t), *turn = row_of(m->turn, 2 * m->e, t);
    int p = m->token[t].position;
    matrix_row(&m->W_E, m->token[t].id, x);
    for (int i = 0; i < m->d; i++) x[i] *= m->embedding_scale;
    if (m->positions == LEARNED) {
        float *where = row_of(m->normal, m->d_room, t);
        matrix_row(&m->W_pos, p, where);
        for (int i = 0; i < m->d; i++) x[i] += where[i];
    }
    for (int local = 0; local < 2 && m->positions == ROTARY; local++)
        for (int i = 0; i < m->e / 2; i++) {
            turn[local * m->e + i] = (float)cos(p * m->frequency[local][i]);
            turn[local * m->e + m->e / 2 + i] = (float)sin(p * m->frequency[local][i]);
        }
}

/* Brought to one length, the stream of a token is what products read. */
static void before_product(void *argument, int j) {
    tf_model *m = argument;
    int t = m->by == &m->ln_final ? m->chosen[j] : j;
    float *y = row_of(m->normal, m->d_room, t);
    normalise(m, m->by, row_of(m->x, m->d_room, t), y, m->d);
    set_input(&m->in, j, y);
}

/* Queries and keys are brought to one length, where the model does that, and turned by their position. */
static void place_head(const tf_model *m, const matrix *by, float *x, const float *turn, float scale) {
    float y[MOST_HEAD];
    int half = m->e / 2;
    if (by->gain) normalise(m, by, x, x, m->e);
    if (m->positions == ROTARY) {
        const float *c = turn, *s = turn + half;
#define TURN(A, B) for (int i = 0; i < half; i++) y[i] = A * c[i] - B * s[i], y[half + i] = A * s[i] + B * c[i]
        if (m->side_by_side) TURN(x[2 * i], x[2 * i + 1]);
        else TURN(x[i], x[half + i]);
#undef TURN
        memcpy(x, y, (size_t)m->e * sizeof(float));
    }
    for (int i = 0; i < m->e; i++) x[i] *= scale;
}

static void after_qkv(void *argument, int t) {
    tf_model *m = argument;
    const block *b = &m->blocks[m->layer];
    float *x = row_of(m->qkv, m->qkv_room, t), *turn = row_of(m->turn, 2 * m->e, t), v[MOST_HEAD] = {0};
    if (b->window) turn += m->e;
    tf_cache *c = m->token[t].cache;
    for (int i = 0; i < m->h + 2 * m->n; i++, x += m->e) {
        int is_query = i < m->h, is_value = i >= m->h + m->n, head = is_value ? i - m->h - m->n : i - m->h;
        if (is_query) place_head(m, &b->q_norm, x, turn, 1 / sqrtf((float)m->e));
        if (is_query) continue;
        if (!is_value) place_head(m, &b->k_norm, x, turn, 1);
        memcpy(v, x, (size_t)m->e * sizeof(float));
        remember(c, m->layer, is_value, head, m->token[t].position, v);
    }
}

static void after_attention(void *argument, int t) {
    tf_model *m = argument;
    for (int i = 0; i < m->h; i++) {
        float *z = row_of(m->z, m->z_room, t) + i * m->e, *all = part_of(m, t, 0, i);
        for (int part = 1; part < m->n_apart; part++) join(all, part_of(m, t, part, i), m->e_room);
        for (int j = 0; j < m->e; j++) z[j] = all[j] / all[m->e_room + 1];
    }
    set_input(&m->in, t, row_of(m->z, m->z_room, t));
}

/* Gemma brings to one length what a part of a block gives, before it is added to the stream. */
static void add_normalised(void *argument, int t) {
    tf_model *m = argument;
    float *x = row_of(m->x, m->d_room, t), *y = row_of(m->normal, m->d_room, t);
    normalise(m, m->by, y, y, m->d);
    for (int i = 0; i < m->d; i++) x[i] += y[i];
}

static void before_out(void *argument, int t) {
    tf_model *m = argument;
    set_input(&m->in, t, row_of(m->wide, m->f_room, t));
}

/* wide [first … last - 1] of every token: u σ(u), or with a gate, or the square of what is above zero. */
static void activate(void *argument, int first, int last) {
    tf_model *m = argument;
    for (int t = 0; t < m->n_tokens; t++) {
        float *u = row_of(m->wide, m->f_room, t), *g = m->mlp == GELU ? u : row_of(m->gate, m->f_room, t);
        if (m->mlp == RELU2) for (int i = first; i < last; i++) u[i] = u[i] > 0 ? u[i] * u[i] : 0;
        else if (m->mlp == SWIGLU) for (int i = first; i < last; i++) u[i] *= g[i] / (1 + exp_of(-g[i]));
        else for (int i = first; i < last; i++) { /* 1.59577 = 2 sqrt(2/π): tanh, said by the exponential */
            float y = g[i] / (1 + exp_of(-1.595769122f * (g[i] + 0.044715f * g[i] * g[i] * g[i])));
            u[i] = m->mlp == GELU ? y : u[i] * y;
        }
    }
}

/* What w makes of the input is added to the stream, through a norm where there is one. */
static void back_to_stream(tf_model *m, const matrix *w, const matrix *after) {
    product p = {.in = &m->in, .n_parts = 1, .part = {{w, after->gain ? m->normal : m->x, m->d_room, !after->gain}}};
    multiply(&m->threads, &p);
    if (after->gain) each_token(m, add_normalised, m->n_tokens, after);
}

/* Vectors for products with w come next, one for each of n tokens; each is set by `work`. */
static void inputs_for(tf_model *m, const matrix *w, int n, void (*work)(void *, int), const matrix *by) {
    m->in.n = n, m->in.cols = w->groups * GROUP;
    each_token(m, work, n, by);
}

static void through_blocks(tf_model *m) {
    int n = m->n_tokens, h = m->h * m->e, k = m->n * m->e, w = m->qkv_room, f = m->f_room;
    float *q = m->qkv;
    each_token(m, begin, n, NULL);
    for (m->layer = 0; m->layer < m->n_layers; m->layer++) {
        const block *b = &m->blocks[m->layer];
        inputs_for(m, &b->qkv[0], n, before_product, &b->ln1);
        product qkv = {.in = &m->in, .n_parts = b->n_qkv,
                       .part = {{&b->qkv[0], q, w, 0}, {&b->qkv[1], q + h, w, 0}, {&b->qkv[2], q + h + k, w, 0}}};
        multiply(&m->threads, &qkv);
        each_token(m, after_qkv, n, NULL);
        parallel(&m->threads, attend, m, m->n_tiles * m->n * m->n_apart);
        inputs_for(m, &b->O, n, after_attention, NULL);
        back_to_stream(m, &b->O, &b->after_attention);
        if (m->mlp == NO_MLP) continue;
        inputs_for(m, &b->in, n, before_product, &b->ln2);
        product in = {.in = &m->in, .n_parts = b->gate.bytes ? 2 : 1, .side_by_side = 1,
                      .then = activate, .argument = m, .part = {{&b->in, m->wide, f, 0}, {&b->gate, m->gate, f, 0}}};
        multiply(&m->threads, &in);
        inputs_for(m, &b->out, n, before_out, NULL);
        back_to_stream(m, &b->out, &b->after_mlp);
    }
}

/* The tokens that are together by now; what comes after those that are chosen goes to logits. Its end. */
static float *pass(tf_model *m, float *logits, int every) {
    int longest = 1, n = m->n_chosen;
    for (int t = 0; t < m->n_tokens; t++) longest = m->token[t].position < longest ? longest : m->token[t].position + 1;
    m->n_apart = (longest + m->part_length - 1) / m->part_length;
    if (m->n_tiles * m->n >= 4 * m->threads.n_threads || m->n_apart * m->n_tokens > MOST_TOKENS) m->n_apart = 1;
    through_blocks(m);
    inputs_for(m, &m->W_U, n, before_product, &m->ln_final);
    m->n_tokens = m->n_tiles = m->n_chosen = 0;
    if (every == 2) {
        for (int j = 0; j < n; j++, logits += m->d)
            memcpy(logits, row_of(m->normal, m->d_room, m->chosen[j]), (size_t)m->d * sizeof(float));
        return logits;
    }
    product p = {.in = &m->in, .n_parts = 1, .part = {{&m->W_U, logits, m->v, 0}}};
    if (n) multiply(&m->threads, &p);
    return logits + (size_t)n * (size_t)m->v;
}

/* One step of a batch: sequence i reads counts[i] ids behind what its cache holds. logits [·][v]: with `every` 0 after
   the last id of each sequence, 1 after each id; 2: not scores but the final stream [·][d] at each id. 0, or -1. */
int tf_forward(tf_model *m, int n_sequences, tf_cache **caches, const int *counts, const int *ids, float *logits,
               int every) {
    const int *id = ids;
    for (int i = 0; i < n_sequences; i++) {
        tf_cache *c = caches[i];
        if (c->model != m) return fail("the cache of sequence %d belongs to another model", i), -1;
        for (int j = 0; j < i; j++)
            if (caches[j] == c) return fail("sequences %d and %d have the same cache", j, i), -1;
        if (counts[i] < 1 || counts[i] > c->capacity - c->length)
            return fail("%d tokens after %d do not fit: there is room for %d in all", counts[i], c->length,
                        c->capacity), -1;
        for (int j = 0; j < counts[i]; j++, id++)
            if (*id < 0 || *id >= m->v) return fail("token %d is not one of %d", *id, m->v), -1;
    }
    pthread_mutex_lock(&m->lock);
    int group = m->h / m->n, most = group < TILE_ROWS ? TILE_ROWS / group : 1;
    for (int i = 0; i < n_sequences; i++)
        for (int j = 0; j < counts[i]; j++) {
            if (m->n_tokens == MOST_TOKENS) logits = pass(m, logits, every);
            int t = m->n_tokens++;
            m->token[t].id = *ids++, m->token[t].position = caches[i]->length++, m->token[t].cache = caches[i];
            if (!t || !j || m->tile[m->n_tiles - 1].n == most)
                m->tile[m->n_tiles].first = t, m->tile[m->n_tiles++].n = 0;
            m->tile[m->n_tiles - 1].n++;
            if (every || j + 1 == counts[i]) m->chosen[m->n_chosen++] = t;
        }
    pass(m, logits, every);
    pthread_mutex_unlock(&m->lock);
    return 0;
}

/* The ids of a text, without bos, into `out` as far as there is room; how many there are, or -1. */
int tf_tokenize(tf_model *model, const char *bytes, size_t n, int parse_special, int *out, int room) {
    encoder e = {.v = &model->words};
    if (*e.v->why) return fail("%s", e.v->why), -1;
    if (n > INT32_MAX / 4) return fail("a text of %zu bytes is too long; %d are read at once", n, INT32_MAX / 4), -1;
    add_text(&e, (text){bytes, n}, parse_special), encode_plain(&e);
    int made = e.failed ? (fail("out of memory"), -1) : (int)e.n_ids;
    if (made > 0 && room > 0) memcpy(out, e.ids, sizeof *out * (size_t)(made < room ? made : room));
    return encoder_free(&e), made;
}

/* The bytes that a token stands for, *n of them; *kind is llama.cpp's number for what sort of token it is. */
const char *tf_token(const tf_model *model, int id, int *n, int *kind) {
    const vocabulary *v = &model->words;
    if (id < 0 || id >= v->n) return fail("token id %d is outside the vocabulary of %d", id, v->n), NULL;
    return *n = (int)v->tokens[id].n, *kind = v->kinds[id], v->tokens[id].at;
}

/* ── 11  The choice ───────────────────────────────────────────────────────────────────────────────────────────────────
   Scores to one token. Those among the latest are held back by `repeat`; kept are the `top_k` likeliest, of these the
   fewest that hold `top_p` of the chance, of these the ones at least `min_p` times as likely as the first; then the
   chances are sharpened by `temperature`, and a number from [0, 1) picks one. */

typedef struct { float temperature; int top_k; float top_p, min_p, repeat; uint64_t seed; } tf_sampling;
enum { RECENT = 64 };

/* NumPy's default_rng(seed), so that a seed gives the same text as in run.py: SeedSequence, after M. E. O'Neill's
   seed_seq_fe (2015), fills the state of her PCG64, XSL-RR (2014). */
typedef struct { unsigned __int128 state, step; } chance;

static double uniform(chance *r) {
    r->state = r->state * ((unsigned __int128)0x2360ed051fc65da4u << 64 | 0x4385df649fccf645u) + r->step;
    uint64_t x = (uint64_t)(r->state >> 64) ^ (uint64_t)r->state;
    int turn = (int)(r->state >> 122);
    return (double)((x >> turn | x << (-turn & 63)) >> 11) * 0x1p-53;
}

static uint32_t stir(uint32_t x, uint32_t *by, uint32_t times) {
    x ^= *by, *by *= times, x *= *by;
    return x ^ x >> 16;
}

static chance seeded(uint64_t seed) {
    uint32_t pool[4] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, by = 0x43b0d7e5;
    for (int i = 0; i < 4; i++) pool[i] = stir(pool[i], &by, 0x931e8875);
    for (int i = 0; i < 16; i++) {
        uint32_t *to = &pool[i % 4], *like = &pool[i / 4];
        if (to != like) *to = 0xca01f9dd * *to - 0x4973f715 * stir(*like, &by, 0x931e8875), *to ^= *to >> 16;
    }
    unsigned __int128 big[2] = {0, 0}; /* of two words of 64 bits, upper first, each of two of 32, lower first */
    by = 0x8b51f9dd;
    for (int i = 0; i < 8; i++)
        big[i / 4] |= (unsigned __int128)stir(pool[i % 4], &by, 0x58f38ded) << (i % 4 / 2 ? 0 : 64) << i % 2 * 32;
    chance r = {0, big[1] << 1 | 1};
    uniform(&r), r.state += big[0], uniform(&r);
    return r;
}

/* The highest score; *sound: it is finite, and all are numbers. */
static float highest(const float *scores, int n, int *sound) {
    vf most = f_set(-INFINITY);
    int i = 0, odd = 0;
    for (; i + LANES <= n; i += LANES) most = f_max(most, f_load(scores + i));
    float top = largest_of(most);
    for (; i < n; i++) top = scores[i] > top ? scores[i] : top;
    for (i = 0; i < n; i++) odd += scores[i] != scores[i];
    return *sound = !odd && isfinite(top), top;
}

/* The sum of exp(score - top). */
static double total_chance(const float *scores, int n, float top) {
    double sum = 0;
    for (int i = 0; i < n;) {
        float lanes[LANES] = {0};
        for (int end = i + 64 * LANES; i + LANES <= n && i < end; i += LANES)
            for (int k = 0; k < LANES; k++) lanes[k] += exp_of(scores[i + k] - top);
        for (; i + LANES > n && i < n; i++) lanes[0] += exp_of(scores[i] - top);
        for (int k = 0; k < LANES; k++) sum += lanes[k];
    }
    return sum;
}

/* A score that at least k of n reach, and not many more: found by halving, or lower than all. */
static float reached_by(const float *scores, int n, int k, float top) {
    float low = top - 64, high = top, least = -INFINITY;
    for (int tries = 0, count = 0; tries < 12 && (count < k || count > 2 * k); tries++) {
        float middle = (low + high) / 2;
        count = 0;
        for (int i = 0; i < n; i++) count += scores[i] >= middle;
        if (count >= k) least = low = middle;
        else high = middle;
    }
    return least;
}

/* The k likeliest of n, the likeliest first; of equals the lower id first. In the heap the last of them is on top. */
static void likeliest(const float *scores, int n, int k, float top, uint64_t *heap) {
    float least = reached_by(scores, n, k, top);
    for (int i = 0, have = 0; i < n && k; i++) {
        if (!(scores[i] >= least)) continue;
        uint64_t key = ~order_of(scores[i], i);
        if (have < k) {
            heap[have++] = key;
            for (int at = have < k ? 0 : k / 2; at-- > 0;) sink(heap, (size_t)k, (size_t)at, heap[at]);
        } else if (key > *heap) sink(heap, (size_t)k, 0, key);
    }
    for (int i = k; i-- > 0;) {
        uint64_t last = heap[0];
        sink(heap, (size_t)i, 0, heap[i]), heap[i] = ~last;
    }
}

/* The token that u from [0, 1) picks; -1 where the scores are no numbers. Of `recent`, the latest last, RECENT count.
   *probability is what the model itself gives the token, before all of this. */
int tf_draw(const float *scores, int n, const tf_sampling *s, double u, const int *recent, int n_recent,
            double *probability) {
    int sound, kept = 0, i = 0, k = s->top_k > 0 && s->top_k < n ? s->top_k : n;
    float top = highest(scores, n, &sound), own_top = top;
    if (!sound) return fail("the model's scores are not finite numbers: its parameters are damaged"), -1;
    uint64_t *found = malloc((sizeof(uint64_t) + sizeof(double) + sizeof(float)) * (size_t)n);
    if (!found) return fail("out of memory"), -1;
    double *chances = (double *)(found + n);
    float *held = (float *)(chances + n);
    const float *z = s->repeat != 1 && n_recent > 0 ? held : scores;
    if (z == held) {
        memcpy(held, scores, sizeof *held * (size_t)n);
        for (i = n_recent > RECENT ? n_recent - RECENT : 0; i < n_recent; i++) {
            int id = recent[i];
            if (id < 0 || id >= n || held[id] != scores[id]) continue; /* or it is held back already */
            held[id] = held[id] > 0 ? held[id] / s->repeat : held[id] * s->repeat;
        }
        top = highest(held, n, &sound);
    }
    if (s->temperature == 0) k = 1;
    double all = k == n ? total_chance(z, n, top) : 0, sum = 0, heat = s->temperature > 0 ? s->temperature : 1;
    if (k == n && s->min_p > 0) /* those below it cannot be kept, and need not be sorted */
        for (i = k = 0; i < n; i++) k += z[i] >= top + logf(s->min_p) - 1e-3f;
    likeliest(z, n, k, top, found);
    for (i = 0; i < k; i++) sum += chances[i] = exp((double)z[(uint32_t)found[i]] - top);
    double limit = s->top_p * (all ? all : sum);
    for (sum = 0; kept < k && (!kept || (sum < limit && chances[kept] >= s->min_p)); kept++) sum += chances[kept];
    for (i = 0, sum = 0; i < kept; i++) chances[i] = sum += exp(((double)z[(uint32_t)found[i]] - top) / heat);
    for (i = 0; i < kept - 1 && chances[i] / sum <= u;) i++;
    int id = (int)(uint32_t)found[i];
    *probability = exp((double)scores[id] - own_top) / total_chance(scores, n, own_top);
    return free(found), id;
}

/* Goes on from the ids of a text, of which the cache may hold a beginning already, by at most n tokens. `each` is told
   of every one, with its probability, and ends it by a number that is not 0; so does a token that ends texts. When the
   context is full, its later half is read anew. How many tokens were made, or -1. */
int tf_generate(tf_model *model, tf_cache *cache, const int *prompt, int n_prompt, int n, const tf_sampling *s,
                int (*each)(int id, double probability, void *), void *context) {
    const vocabulary *v = &model->words;
    int words = v->n_real > 0 && v->n_real < model->v ? v->n_real : model->v, room = cache->capacity; /* no padding */
    int half = room > 1 ? room / 2 : 1, made = 0, total = n_prompt;
    if (n_prompt < 1) return fail("there are no tokens to go on from"), -1;
    if (n_prompt > room) return fail("the text is %d tokens long; the model reads %d: shorten it", n_prompt, room), -1;
    pile desk = {0};
    float *scores = zeros(&desk, (size_t)model->v, sizeof *scores);
    int *ids = zeros(&desk, (size_t)room + RECENT, sizeof *ids); /* what the cache holds, and a little before that */
    if (desk.failed) return let_go(&desk), fail("out of memory"), -1;
    chance random = seeded(s->seed);
    if (cache->length >= n_prompt) cache->length = n_prompt - 1;
    memcpy(ids, prompt, sizeof *ids * (size_t)total);
    for (int id = -1, at = cache->length, stop = 0; made < n && !stop; made++, at = total++) {
        if (cache->length == room) {
            int kept = half > RECENT ? half : total < RECENT ? total : RECENT;
            memmove(ids, ids + total - kept, sizeof *ids * (size_t)kept), total = kept, at = total - half;
            cache->length = 0;
        }
        int count = total - at;
        double probability;
        if (tf_forward(model, 1, &cache, &count, ids + at, scores, 0)
            || (id = tf_draw(scores, words, s, uniform(&random), ids, total, &probability)) < 0) { made = -1; break; }
        ids[total] = id;
        stop = each(id, probability, context) || id == v->last[0] || id == v->last[1];
    }
    return let_go(&desk), made;
}

/* ── 12  The command ─────────────────────────────────────────────────────────────────────────────────────────────── */

/* How the common chat templates, told by a mark in the file's jinja, write a turn: its begin and end where the system,
   the user and the assistant speak. Where `joined`, the system's words are the beginning of the user's first turn. */
enum { SYSTEM, USER, ASSISTANT };
typedef struct { const char *mark; int joined; const char *begin[3], *end[3]; } chat_style;
static const chat_style CHATS[] = {
    {"<|im_start|>", 0, {"<|im_start|>system\n", "<|im_start|>user\n", "<|im_start|>assistant\n"},
     {"<|im_end|>\n", "<|im_end|>\n", "<|im_end|>\n"}},
    {"<|start_header_id|>", 0, {"<|start_header_id|>system<|end_header_id|>\n\n",
     "<|start_header_id|>user<|end_header_id|>\n\n", "<|start_header_id|>assistant<|end_header_id|>\n\n"},
     {"<|eot_id|>", "<|eot_id|>", "<|eot_id|>"}},
    {"<start_of_turn>", 1, {"<start_of_turn>user\n", "<start_of_turn>user\n", "<start_of_turn>model\n"},
     {"\n\n", "<end_of_turn>\n", "<end_of_turn>\n"}},
    {"<|user|>", 0, {"<|system|>\n", "<|user|>\n", "<|assistant|>\n"}, {"</s>\n", "</s>\n", "</s>\n"}},
    {"[INST]", 1, {"[INST] <<SYS>>\n", "[INST] ", ""}, {"\n<</SYS>>\n\n", " [/INST]", "</s>"}},
};

/* What ChatML templates such as SmolLM2's put in the system's mouth: plain words that stand between its marks. */
static text default_system(const vocabulary *v) {
    for (const char *at = v->jinja; (at = strstr(at, "<|im_start|>system"));) {
        at += strlen("<|im_start|>system");
        at += *at == '\n' ? 1 : !strncmp(at, "\\n", 2) ? 2 : 0;
        size_t n = strcspn(at, "'\"{<");
        if (n && !strncmp(at + n, "<|im_end|>", 10)) return (text){at, n};
    }
    return (text){"", 0};
}

typedef struct {
    tf_model *model;
    tf_cache *cache;
    tf_sampling sampling;
    int n, verbose, end; /* how many tokens to write; end: the token that ends a turn, or -1 */
    encoder said;        /* all that was read and written, as ids */
    char bytes[4];       /* of a character that is not yet complete */
    size_t n_bytes;
    double first, last;  /* when those tokens came */
} session;

static volatile sig_atomic_t interrupted, answering;

static void interrupt(int number) { /* the first Ctrl-C stops an answer, the second the program */
    if (!answering || interrupted) _Exit(128 + number);
    interrupted = 1;
}

static double now(void) {
    struct timespec t;
    return timespec_get(&t, TIME_UTC), (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Shows what is complete of the bytes so far, and at the `end` also what is not; what cannot become UTF-8 is U+FFFD. */
static void show_bytes(session *s, int end) {
    while (s->n_bytes) {
        uint32_t c;
        int size = character((text){s->bytes, s->n_bytes}, &c);
        size_t n = (size_t)abs(size);
        if (size < 0 && n == s->n_bytes && !end) return; /* more may come */
        fwrite(size > 0 ? s->bytes : "\xef\xbf\xbd", 1, size > 0 ? n : 3, stdout);
        memmove(s->bytes, s->bytes + n, s->n_bytes -= n);
    }
}

static int show_token(int id, double probability, void *context) {
    (void)probability;
    session *s = context;
    const vocabulary *v = s->said.v;
    text one = id < v->n && v->kinds[id] != CONTROL && v->kinds[id] != UNUSED ? v->tokens[id] : (text){"", 0};
    for (size_t i = 0; i < one.n; i++) s->bytes[s->n_bytes++] = one.at[i], show_bytes(s, 0);
    fflush(stdout), s->last = now(), s->first = s->first ? s->first : s->last;
    return add_id(&s->said, id), interrupted || id == s->end || s->said.failed;
}

static void forget(session *s, size_t n) { /* the first n ids of what was said */
    if (n) memmove(s->said.ids, s->said.ids + n, sizeof *s->said.ids * (s->said.n_ids -= n));
}

/* The model goes on from what was said so far, and what it says joins that. 1, or 0 where it failed. */
static int answer(session *s) {
    encode_plain(&s->said);
    int before = (int)s->said.n_ids, read = before - s->cache->length, room = s->cache->capacity;
    double begun = now();
    s->first = 0, answering = 1;
    int made = tf_generate(s->model, s->cache, s->said.ids, before, s->n, &s->sampling, show_token, s);
    answering = 0, show_bytes(s, 1), puts(""), fflush(stdout);
    if (made < 0 || s->said.failed) return made < 0 ? 0 : fail("out of memory");
    if (s->verbose && made)
        fprintf(stderr, "read %d tokens, %.0f per second; wrote %d, %.0f per second\n", read, read / (s->first - begun),
                made, made > 1 ? (made - 1) / (s->last - s->first) : 0);
    if (before + made > room) fprintf(stderr, "past its context, %d, it saw the latest only\n", room);
    if (made) forget(s, s->said.n_ids - (size_t)s->cache->length - 1); /* what it has slid past */
    return 1;
}

static void say(session *s, const char *begin, text words, const char *end) {
    add_text(&s->said, (text){begin, strlen(begin)}, 1), add_text(&s->said, words, 0);
    add_text(&s->said, (text){end, strlen(end)}, 1);
}

static text read_text(FILE *file, int one_line) { /* allocated; `at` is NULL where there is nothing more */
    char *at = NULL;
    size_t n = 0, room = 0;
    for (int c; (c = getc(file)) != EOF && !(one_line && c == '\n'); at[n++] = (char)c)
        if (n == room && !(at = realloc(at, room = 2 * room + 256))) return (text){NULL, 0};
    return (text){at || (one_line && feof(file)) ? at : calloc(1, 1), n};
}

static int converse(session *s, const char *system) {
    const vocabulary *v = s->said.v;
    const chat_style *style = CHATS, *beyond = CHATS + sizeof CHATS / sizeof *CHATS;
    while (style < beyond && !strstr(v->jinja, style->mark)) style++;
    if (style == beyond)
        return fail("the file has no chat template that is known here (ChatML, Llama 3, Gemma, Zephyr, Llama 2); "
                    "without -i the model goes on from a text");
    const char *begin = style->begin[USER], *end = style->end[ASSISTANT];
    s->end = find_token(v, 1, (text){end, strcspn(end, "\n")});
    text words = system ? (text){system, strlen(system)} : default_system(v);
    if (words.n) say(s, style->begin[SYSTEM], words, style->end[SYSTEM]), begin = style->joined ? "" : begin;
    for (int room = s->cache->capacity;; begin = style->begin[USER]) {
        fputs("> ", stdout), fflush(stdout);
        words = read_text(stdin, 1);
        if (!words.at) return puts(""), 1;
        say(s, begin, words, style->end[USER]), free((void *)words.at);
        say(s, style->begin[ASSISTANT], (text){"", 0}, ""), encode_plain(&s->said);
        if (s->said.n_ids > (size_t)room) {
            fprintf(stderr, "this is longer than the context, %d: its beginning is forgotten\n", room);
            forget(s, s->said.n_ids - (size_t)(room + 1) / 2), tf_cache_keep(s->cache, 0);
        }
        if (!answer(s)) return 0;
        int last = s->said.n_ids ? s->said.ids[s->said.n_ids - 1] : -1;
        if (last >= 0 && (last == s->end || last == v->last[0] || last == v->last[1])) s->said.n_ids--;
        interrupted = 0, say(s, "", (text){"", 0}, end);
    }
}

enum { N, TEMPERATURE, TOP_K, TOP_P, MIN_P, REPEAT, SEED, THREADS, VERBOSE, TALK, HELP, TOLD, N_OPTIONS };
static struct { const char *name, *told; char form; double least, most, value; const char *words; } OPTIONS[] = {
    {"-n", "how many tokens to write (100; with -i as many as an answer takes)", 'w', 0, INT32_MAX, -1, NULL},
    {"--temperature", "0 takes the likeliest, above 1 is bolder (0.8)", 'r', 0, 100, 0.8, NULL},
    {"--top-k", "keep this many of the likeliest tokens; 0 keeps all (40)", 'w', 0, INT32_MAX, 40, NULL},
    {"--top-p", "keep the fewest tokens that hold this much of the chance (0.95)", 'r', 0, 1, 0.95, NULL},
    {"--min-p", "keep tokens at least this many times as likely as the first (0.05)", 'r', 0, 1, 0.05, NULL},
    {"--repeat", "above 1 holds the latest 64 tokens back (1)", 'r', 0.01, 100, 1, NULL},
    {"--seed", "which of the possible texts (0)", 'w', 0, 0x1p53, 0, NULL},
    {"-t", "threads; 0 takes as many as there are cores for it (0)", 'w', 0, 1024, 0, NULL},
    {"-v", "tell how long it took", 'f', 0, 0, 0, NULL},
    {"-i", "hold a conversation", 'f', 0, 0, 0, NULL},
    {"-h", "this help", 'f', 0, 0, 0, NULL},
    {"--system", "what the assistant is told before a conversation", 't', 0, 0, 0, NULL},
}; /* form: a flag, a whole or real number, or a text */

/* Takes argv[*i], and the value behind it where it has one. 1, or 0. */
static int take_option(char **argv, int *i) {
    size_t length = strcspn(argv[*i], "="), o = 0;
    while (o < N_OPTIONS && (strlen(OPTIONS[o].name) != length || strncmp(argv[*i], OPTIONS[o].name, length))) o++;
    if (o == N_OPTIONS) return fail("there is no option %s; -h lists them", argv[*i]);
    if (OPTIONS[o].form == 'f') return OPTIONS[o].value = 1, 1;
    const char *value = argv[*i][length] ? argv[*i] + length + 1 : argv[++*i];
    if (!value) return fail("%s needs a value behind it", OPTIONS[o].name);
    if (OPTIONS[o].form == 't') return OPTIONS[o].words = value, 1;
    char *end;
    double x = OPTIONS[o].value = strtod(value, &end);
    int odd = OPTIONS[o].form == 'w' && (x != floor(x) || strpbrk(value, "xX"));
    return (!*end && end != value && x >= OPTIONS[o].least && x <= OPTIONS[o].most && !odd)
        || fail("%s %s is not between %.10g and %.10g", OPTIONS[o].name, value, OPTIONS[o].least, OPTIONS[o].most);
}

static double option(int o) { return OPTIONS[o].value; }

int main(int argc, char **argv) {
    const char *given[2] = {NULL, NULL};
    int sound = 1, n_given = 0;
    for (int i = 1; i < argc && sound; i++)
        if (argv[i][0] == '-' && argv[i][1]) sound = take_option(argv, &i);
        else if (n_given < 2) given[n_given++] = argv[i];
        else sound = fail("'%s' is one text too many; put a text between quotation marks", argv[i]);
    if (argc < 2 || (sound && option(HELP))) {
        puts("usage: run parameters.gguf \"Once upon a time\" [options]\n       run parameters.gguf -i [options]\n");
        for (int i = 0; i < N_OPTIONS; i++) printf("  %-14s %s\n", OPTIONS[i].name, OPTIONS[i].told);
        return 0;
    }
    int chat = option(TALK) != 0;
    if (sound && n_given != 2 - chat)
        sound = fail("give it a parameters file, and a text to go on from: - reads one, and -i talks instead");
    if (!sound) return fprintf(stderr, "run: %s\n", tf_error()), 2;
    double begun = now();
    static session s;
    s.sampling = (tf_sampling){(float)option(TEMPERATURE), (int)option(TOP_K), (float)option(TOP_P),
                               (float)option(MIN_P), (float)option(REPEAT), (uint64_t)option(SEED)};
    s.n = option(N) >= 0 ? (int)option(N) : chat ? INT32_MAX : 100, s.verbose = (int)option(VERBOSE), s.end = -1;
    s.model = tf_open(given[0], NULL, 0, (int)option(THREADS));
    s.cache = s.model ? tf_cache_new(s.model, s.model->context, -1) : NULL;
    const vocabulary *v = s.said.v = s.cache ? &s.model->words : NULL;
    if (!v || (*v->why && !fail("%s", v->why))) return fprintf(stderr, "run: %s\n", tf_error()), 2;
    if (s.verbose)
        fprintf(stderr, "opened in %.3f s; %s, %d threads\n", now() - begun, KERNEL, s.model->threads.n_threads);
    signal(SIGINT, interrupt);
    if (v->add_bos) add_id(&s.said, v->bos);
    if (!chat) {
        text words = strcmp(given[1], "-") ? (text){given[1], strlen(given[1])} : read_text(stdin, 0);
        if (words.n) fwrite(words.at, 1, words.n, stdout), fflush(stdout);
        add_text(&s.said, words, 0);
    }
    sound = chat ? converse(&s, OPTIONS[TOLD].words) : answer(&s);
    if (!sound) fprintf(stderr, "run: %s\n", tf_error());
    encoder_free(&s.said), tf_cache_free(s.cache), tf_close(s.model);
    return !sound ? 2 : interrupted ? 130 : 0;
}
