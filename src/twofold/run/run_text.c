/* Until it is pasted into run.c: needs `struct vocabulary *words` in tf_model (vocabulary_new(gguf, name) in tf_open
   and tf_open_buffer, vocabulary_free in tf_close), tf_cache_room(const tf_cache *), and #include <signal.h>. */
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

enum { OTHER, LETTER, NUMBER, SPACE, END };
static uint8_t class_of[0x110000];

static void classify(void) {
    int figure = 0, end = 0, is_length = 0;
    for (const char *c = RUNS; *c; c++) {
        if (*c < ']') { figure = (figure + *c - '#') * 32; continue; }
        figure += *c - ']';
        if (is_length) memset(class_of + end, figure & 1 ? NUMBER : LETTER, (size_t)figure / 2), figure /= 2;
        end += figure, figure = 0, is_length = !is_length;
    }
    static const int spaces[] = {0x20, 0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000};
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) class_of[spaces[i]] = SPACE;
    memset(class_of + 0x09, SPACE, 5), memset(class_of + 0x2000, SPACE, 11);
}

/* How many bytes the character c takes that s begins with; 0 where s is empty or no UTF-8. */
static size_t character(text s, uint32_t *c) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t b = s.n ? (uint8_t)*s.at : 0xff;
    size_t n = b < 0x80 ? 1 : b >> 5 == 6 ? 2 : b >> 4 == 14 ? 3 : b >> 3 == 30 ? 4 : 0;
    if (!n || n > s.n) return 0;
    *c = n == 1 ? b : b & (0x7fu >> n);
    for (size_t i = 1; i < n; *c = *c << 6 | (s.at[i++] & 63))
        if ((uint8_t)s.at[i] >> 6 != 2) return 0;
    return *c < least[n] || *c > 0x10ffff || *c >> 11 == 0x1b ? 0 : n; /* 0x1b: half of a UTF-16 pair */
}

static text from(text s, size_t i) { return (text){s.at + i, s.n - i}; }

/* The next four find places in text that is sound UTF-8: past a character, whose class they tell; past at most so many
   characters of a class; past an English contraction; and where the piece that begins at i ends. */
static size_t past(text s, size_t i, int *class) {
    uint32_t c = 0;
    size_t n = character(from(s, i), &c);
    return *class = n ? class_of[c] : END, i + n;
}

static size_t past_run(text s, size_t i, int class, int most) {
    for (int found; most; most--) {
        size_t next = past(s, i, &found);
        if (found != class) break;
        i = next;
    }
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

static int ends_line(char c) { return c == '\n' || c == '\r'; }

enum { GPT2, SMOLLM, QWEN2, LLAMA3, SENTENCEPIECE };
static const char *const CUTS[] = {"gpt-2", "smollm", "qwen2", "llama-bpe"};

/* With L letters, N numbers, S spaces and P none of these, a piece is the first that there is of

       gpt-2               's|'t|'re|'ve|'m|'ll|'d      ?L+              ?N+           ?P+          S+(?=S|$)  S+
       qwen2, llama-bpe    the same in any case     [^LN\r\n]?L+    N or N{1,3}    ?P+[\r\n]*  S*[\r\n]+  S+(?=S|$)  S+

   and smollm is gpt-2 on what lies between numbers, which are cut out one by one. */
static size_t piece_end(text s, size_t i, int cut) {
    int first, then, later = cut == QWEN2 || cut == LLAMA3, blank = s.at[i] == ' ';
    size_t next = past(s, i, &first), end = past_contraction(s, i, later ? 32 : 0), last;
    past(s, next, &then);
    if (end > i) return end;
    int leads = later ? first != NUMBER && !ends_line(s.at[i]) : blank;
    if (first == LETTER || (leads && then == LETTER)) return past_run(s, next, LETTER, -1);
    if (first == NUMBER) return past_run(s, i, NUMBER, cut == LLAMA3 ? 3 : cut == GPT2 ? -1 : 1);
    if (blank && then == NUMBER && cut == GPT2) return past_run(s, next, NUMBER, -1);
    if (first == OTHER || (blank && then == OTHER)) {
        for (end = past_run(s, next, OTHER, -1); later && end < s.n && ends_line(s.at[end]);) end++;
        return end;
    }
    end = past_run(s, i, SPACE, -1), past(s, end, &then);
    for (last = end; later && last > i; last--)
        if (ends_line(s.at[last - 1])) return last;
    for (last = end - 1; (uint8_t)s.at[last] >> 6 == 2;) last--;
    return then == END || last == i || (cut == SMOLLM && then == NUMBER) ? end : last;
}

/* What a file says of words. A token is kept as the bytes that it stands for. */
enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE }; /* kinds of token, as llama.cpp numbers them */
typedef struct { int left, right, made; uint32_t rank; } merge;    /* made is id + 1, or 0 where there is none */

typedef struct vocabulary {
    int cut, n, n_real, bos, last[2], unknown, add_bos, add_blank; /* n_real: without padding at the end */
    text *tokens;
    uint8_t *kinds;
    float *scores;
    int *slots;    /* a table of ids by bytes: id + 1, or 0 */
    merge *merges; /* a table by left and right */
    uint32_t slot_mask, merge_mask;
    int byte_ids[256], special_begins[256], special_length; /* by their first byte; of the longest */
    char *bytes, *jinja;                                    /* of all tokens; the chat template */
    char why[320];                                          /* if not empty, text cannot be turned into ids */
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

/* The bytes that a spelling stands for, into `to`; how many, or 0 where it is none. Byte-level: printable Latin-1 stands
   for itself, the other 68 bytes in their order for U+0100 and up. SentencePiece: U+2581 stands for a blank. */
static size_t unspell(int cut, int kind, text s, char *to) {
    size_t n = 0, size;
    uint32_t c;
    if (cut == SENTENCEPIECE && kind == BYTE) return *to = (char)strtol(s.n == 6 ? s.at + 3 : "0", NULL, 16), 1;
    for (size_t i = 0; i < s.n; i += size) {
        if (!(size = character(from(s, i), &c))) return 0;
        if (cut == SENTENCEPIECE) {
            memcpy(to + n, c == 0x2581 ? " " : s.at + i, c == 0x2581 ? 1 : size), n += c == 0x2581 ? 1 : size;
        } else {
            int other = c < 256 ? -1 : (int)c - 256, visible = (c > 32 && c < 127) || (c > 160 && c < 256 && c != 173);
            if (!visible && (other < 0 || other > 67)) return 0;
            to[n++] = (char)(visible ? (int)c : other < 33 ? other : other < 67 ? other + 94 : 173);
        }
    }
    return n;
}

static void vocabulary_free(vocabulary *v) {
    if (!v) return;
    free(v->tokens), free(v->kinds), free(v->scores), free(v->slots), free(v->merges), free(v->bytes), free(v->jinja);
    free(v);
}

static const entry *array_of(const gguf *g, const char *key, int item, uint64_t n) { /* n items, or 0: any number */
    const entry *e = gguf_get(g, key);
    return e && e->kind == ARRAY && e->item == item && (!n || e->count == n) ? e : NULL;
}

static void read_tokens(vocabulary *v, const uint8_t *at, const entry *kinds, const entry *scores) {
    char *to = v->bytes;
    memset(v->byte_ids, -1, sizeof v->byte_ids);
    for (int i = 0; i < v->n; i++) {
        text spelling = next_text(&at);
        int kind = v->kinds[i] = kinds ? (uint8_t)entry_number(kinds, (uint64_t)i) : NORMAL, special = is_special(kind);
        size_t n = special ? 0 : unspell(v->cut, kind, spelling, to);
        int plain = n && kind != UNUSED && (v->cut != SENTENCEPIECE || kind == NORMAL);
        if (!n) memcpy(to, spelling.at, n = spelling.n); /* it stands for its own name */
        v->tokens[i] = (text){to, n}, v->scores[i] = scores ? (float)entry_number(scores, (uint64_t)i) : 0, to += n;
        if (n == 1 && kind == (v->cut == SENTENCEPIECE ? BYTE : NORMAL)) v->byte_ids[(uint8_t)to[-1]] = i;
        if (!n || !(plain || special)) continue;
        int *slot = find_slot(v, special, v->tokens[i]);
        if (!*slot) *slot = i + 1;
        if (special) v->special_begins[(uint8_t)*v->tokens[i].at] = 1;
        if (special && (int)n > v->special_length && n < 256) v->special_length = (int)n;
    }
    while (v->n_real > 1 && v->kinds[v->n_real - 1] == UNUSED) v->n_real--;
}

/* 1, or 0 at a merge that makes no sense, whose text is then *bad. `room` is for the bytes of any of them. */
static int read_merges(vocabulary *v, const entry *e, char *room, text *bad) {
    const uint8_t *at = e ? e->bytes : NULL;
    for (uint32_t rank = 0; e && rank < e->count; rank++) {
        text both = *bad = next_text(&at);
        const char *gap = both.n ? memchr(both.at, ' ', both.n) : NULL;
        if (!gap) return 0;
        size_t half = unspell(v->cut, NORMAL, (text){both.at, (size_t)(gap - both.at)}, room);
        size_t all = half + unspell(v->cut, NORMAL, from(both, (size_t)(gap + 1 - both.at)), room + half);
        int left = find_token(v, 0, (text){room, half}), right = find_token(v, 0, (text){room + half, all - half});
        int made = find_token(v, 0, (text){room, all});
        if (!half || all == half || left < 0 || right < 0 || made < 0) return 0;
        merge *m = find_merge(v, left, right);
        if (!m->made) *m = (merge){left, right, made + 1, rank};
    }
    return 1;
}

/* NULL when there is no memory. What is wrong with a tokenizer is said in `why`, not now: a model runs without one. */
static vocabulary *vocabulary_new(const gguf *g, const char *name) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, classify);
    vocabulary *v = calloc(1, sizeof *v);
    if (!v) return NULL;
    text model = gguf_text(g, "tokenizer.ggml.model", "none"), pre = gguf_text(g, "tokenizer.ggml.pre", "none"), bad;
    text jinja = gguf_text(g, "tokenizer.chat_template", "");
    int sentencepiece = same(model, "llama"), known = sentencepiece;
    for (int i = 0; i < SENTENCEPIECE; i++)
        if (same(model, "gpt2") && same(pre, CUTS[i])) v->cut = i, known = 1;
    if (sentencepiece) v->cut = SENTENCEPIECE;
    const entry *tokens = array_of(g, "tokenizer.ggml.tokens", STRING, 0), *merges;
    uint64_t n = tokens ? tokens->count : 0;
    const entry *kinds = array_of(g, "tokenizer.ggml.token_type", I32, n);
    const entry *scores = array_of(g, "tokenizer.ggml.scores", F32, n);
    merges = sentencepiece ? NULL : array_of(g, "tokenizer.ggml.merges", STRING, 0);
    const uint8_t *at = n ? tokens->bytes : NULL;
    size_t size = 1;
    for (uint64_t i = 0; i < n; i++) size += next_text(&at).n;
    at = merges ? merges->bytes : NULL;
    for (uint64_t i = 0; merges && i < merges->count; i++) {
        size_t length = next_text(&at).n;
        size = length > size ? length : size;
    }
    v->n = v->n_real = (int)n, v->slot_mask = mask_for(n), v->merge_mask = mask_for(merges ? merges->count : 0);
    v->tokens = calloc(n + 1, sizeof *v->tokens), v->kinds = calloc(n + 1, 1), v->scores = calloc(n + 1, sizeof(float));
    v->slots = calloc((size_t)v->slot_mask + 1, sizeof *v->slots);
    v->merges = calloc((size_t)v->merge_mask + 1, sizeof *v->merges);
    v->bytes = malloc(size), v->jinja = calloc(jinja.n + 1, 1);
    char *room = malloc(size);
    if (!v->tokens || !v->kinds || !v->scores || !v->slots || !v->merges || !v->bytes || !v->jinja || !room)
        return free(room), vocabulary_free(v), NULL;
    memcpy(v->jinja, jinja.at, jinja.n);
    if (n) read_tokens(v, tokens->bytes, kinds, scores);

    static const char *const roles[] = {"bos", "unknown", "eos", "eot"};
    int *ids[] = {&v->bos, &v->unknown, &v->last[0], &v->last[1]};
    for (int i = 0; i < 4; i++) {
        char key[48];
        snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", roles[i]);
        double id = gguf_number(g, key, -1);
        *ids[i] = id >= 0 && id < v->n ? (int)id : -1;
    }
    v->add_bos = v->bos >= 0 && gguf_number(g, "tokenizer.ggml.add_bos_token", sentencepiece) != 0;
    v->add_blank = sentencepiece && gguf_number(g, "tokenizer.ggml.add_space_prefix", 1) != 0;
    if (!known)
        snprintf(v->why, sizeof v->why, "%.99s: its tokenizer is %.*s, %.*s; known are llama, and gpt2 with %s, %s, %s or %s",
                 name, (int)(model.n < 20 ? model.n : 20), model.at, (int)(pre.n < 20 ? pre.n : 20), pre.at, CUTS[0],
                 CUTS[1], CUTS[2], CUTS[3]);
    else if (!n || (sentencepiece && !scores) || (!kinds && gguf_get(g, "tokenizer.ggml.token_type")))
        snprintf(v->why, sizeof v->why, "%.99s is damaged: its tokens, their types and scores do not fit together", name);
    else if (!read_merges(v, merges, room, &bad))
        snprintf(v->why, sizeof v->why, "%.99s is damaged: the merge '%.*s' is not two tokens that make a third", name,
                 (int)(bad.n < 60 ? bad.n : 60), bad.at);
    return free(room), v;
}

/* Text on its way to ids; `plain` is the part without special tokens that is not yet encoded. */
typedef struct { int at, size, id, before, after; } part;     /* of a piece: its bytes, its token, its neighbours */
typedef struct { uint64_t key; int left, right, made; } pair; /* may be joined; the lowest key first */
typedef struct {
    const vocabulary *v;
    char *plain;
    int *ids;
    part *parts;
    pair *heap;
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

static void consider(encoder *e, text s, int i) { /* whether part i can be joined with the next */
    int next = i < 0 ? -1 : e->parts[i].after, made, k;
    if (next < 0) return;
    const part *a = &e->parts[i], *b = &e->parts[next];
    uint32_t rank;
    if (e->v->cut == SENTENCEPIECE) {
        if ((made = find_token(e->v, 0, (text){s.at + a->at, (size_t)(a->size + b->size)})) < 0) return;
        memcpy(&rank, &e->v->scores[made], 4);
        rank = rank >> 31 ? rank : ~rank & 0x7fffffff; /* puts floats in order, the highest first */
    } else {
        const merge *m = find_merge(e->v, a->id, b->id);
        if (!m->made) return;
        made = m->made - 1, rank = m->rank;
    }
    if (!grow(e, &e->heap, &e->room_heap, e->n_heap + 1, sizeof *e->heap)) return;
    pair one = {(uint64_t)rank << 32 | (uint32_t)i, a->id, b->id, made};
    for (k = (int)e->n_heap++; k && one.key < e->heap[(k - 1) / 2].key; k = (k - 1) / 2) e->heap[k] = e->heap[(k - 1) / 2];
    e->heap[k] = one;
}

static pair next_pair(encoder *e) {
    pair top = e->heap[0], last = e->heap[--e->n_heap];
    size_t k = 0, child;
    for (; (child = 2 * k + 1) < e->n_heap; k = child) {
        if (child + 1 < e->n_heap && e->heap[child + 1].key < e->heap[child].key) child++;
        if (last.key <= e->heap[child].key) break;
        e->heap[k] = e->heap[child];
    }
    return e->heap[k] = last, top;
}

static void encode_piece(encoder *e, text s) {
    const vocabulary *v = e->v;
    int whole = v->cut == LLAMA3 ? find_token(v, 0, s) : -1, n = 0, bytewise = v->cut != SENTENCEPIECE;
    if (whole >= 0 || !grow(e, &e->parts, &e->room_parts, s.n, sizeof *e->parts)) { add_id(e, whole); return; }
    for (size_t i = 0, size; i < s.n; i += size, n++) {
        uint32_t c;
        size = bytewise ? 1 : character(from(s, i), &c);
        int id = bytewise ? v->byte_ids[(uint8_t)s.at[i]] : find_token(v, 0, (text){s.at + i, size});
        e->parts[n] = (part){(int)i, (int)size, id, n - 1, i + size < s.n ? n + 1 : -1};
    }
    e->n_heap = 0;
    for (int i = 0; i + 1 < n; i++) consider(e, s, i);
    while (e->n_heap && !e->failed) {
        pair one = next_pair(e);
        int i = (int)(uint32_t)one.key, next = e->parts[i].after;
        if (next < 0 || e->parts[i].id != one.left || e->parts[next].id != one.right) continue; /* no longer neighbours */
        part *a = &e->parts[i], *b = &e->parts[next];
        a->size += b->size, a->id = one.made, a->after = b->after, b->id = -2;
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
   SentencePiece calls user-defined, such as a row of line ends, is always one token. A byte that is no UTF-8 is U+FFFD. */
static void add_text(encoder *e, text s, int parse_special) {
    const vocabulary *v = e->v;
    while (s.n && !e->failed) {
        uint32_t c = 0;
        size_t size = character(s, &c), n = v->special_begins[(uint8_t)*s.at] ? (size_t)v->special_length : 0;
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
        if (!size) add_plain(e, "\xef\xbf\xbd", 3);
        else if (v->cut == SENTENCEPIECE && c == 0x2581) add_plain(e, " ", 1);
        else add_plain(e, s.at, size);
        s = from(s, size ? size : 1);
    }
}

/* The ids of a text, without bos, into `out` as far as there is room; how many there are, or -1. */
int tf_tokenize(tf_model *model, const char *bytes, size_t n, int parse_special, int *out, int room) {
    encoder e = {.v = model->words};
    if (*e.v->why) return fail("%s", e.v->why), -1;
    if (n > INT32_MAX / 4) return fail("a text of %zu bytes is too long; %d are read at once", n, INT32_MAX / 4), -1;
    add_text(&e, (text){bytes, n}, parse_special), encode_plain(&e);
    int made = e.failed ? (fail("out of memory"), -1) : (int)e.n_ids;
    if (made > 0 && room > 0) memcpy(out, e.ids, sizeof *out * (size_t)(made < room ? made : room));
    return encoder_free(&e), made;
}

/* The bytes that a token stands for, *n of them; *kind is llama.cpp's number for what sort of token it is. */
const char *tf_token(const tf_model *model, int id, int *n, int *kind) {
    const vocabulary *v = model->words;
    if (id < 0 || id >= v->n) return fail("token id %d is outside the vocabulary of %d", id, v->n), NULL;
    return *n = (int)v->tokens[id].n, *kind = v->kinds[id], v->tokens[id].at;
}

/* ── 4  The choice ───────────────────────────────────────────────────────────────────────────────────────────────────
   Scores to one token. Those among the latest are held back by `repeat`; kept are the `top_k` likeliest, of these the
   fewest that hold `top_p` of the chance, of these the ones at least `min_p` times as likely as the first; then the
   chances are sharpened by `temperature`, and a number from [0, 1) picks one. */

typedef struct { float temperature; int top_k; float top_p, min_p, repeat; uint64_t seed; } tf_sampling;
typedef struct { double score; int id; } choice;
enum { RECENT = 64 };

/* NumPy's default_rng(seed), so that a seed gives the same text as in run.py: SeedSequence, after M. E. O'Neill's
   seed_seq_fe (2015), fills the state of her PCG64, XSL-RR (2014). */
typedef struct tf_random { unsigned __int128 state, step; } tf_random;

static uint64_t next_random(tf_random *r) {
    r->state = r->state * ((unsigned __int128)0x2360ed051fc65da4u << 64 | 0x4385df649fccf645u) + r->step;
    uint64_t x = (uint64_t)(r->state >> 64) ^ (uint64_t)r->state;
    int turn = (int)(r->state >> 122);
    return x >> turn | x << (-turn & 63);
}

static double uniform(tf_random *r) { return (double)(next_random(r) >> 11) * 0x1p-53; }

static uint32_t stir(uint32_t x, uint32_t *by, uint32_t times) {
    x ^= *by, *by *= times, x *= *by;
    return x ^ x >> 16;
}

tf_random *tf_random_new(uint64_t seed) {
    uint32_t pool[4] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, by = 0x43b0d7e5, words[8];
    for (int i = 0; i < 4; i++) pool[i] = stir(pool[i], &by, 0x931e8875);
    for (int i = 0; i < 16; i++) {
        uint32_t *to = &pool[i % 4], *like = &pool[i / 4];
        if (to != like) *to = 0xca01f9dd * *to - 0x4973f715 * stir(*like, &by, 0x931e8875), *to ^= *to >> 16;
    }
    by = 0x8b51f9dd;
    for (int i = 0; i < 8; i++) words[i] = stir(pool[i % 4], &by, 0x58f38ded);
    tf_random *r = calloc(1, sizeof *r);
    if (!r) return fail("out of memory"), NULL;
    unsigned __int128 big[2]; /* each of two 64-bit words, the upper first, each of those of two halves, the lower first */
    for (int i = 0; i < 2; i++)
        big[i] = (unsigned __int128)(words[4 * i] | (uint64_t)words[4 * i + 1] << 32) << 64 | words[4 * i + 2] |
                 (uint64_t)words[4 * i + 3] << 32;
    r->step = big[1] << 1 | 1, next_random(r), r->state += big[0], next_random(r);
    return r;
}

void tf_random_free(tf_random *r) { free(r); }

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

static int likelier(choice a, choice b) { return a.score > b.score || (a.score == b.score && a.id < b.id); }

static void sink(choice *heap, int n, int at, choice one) { /* from its place down; the least likely is on top */
    for (int child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && likelier(heap[child], heap[child + 1])) child++;
        if (likelier(heap[child], one)) break;
        heap[at] = heap[child];
    }
    heap[at] = one;
}

/* The k likeliest of n, the likeliest first; of equals the lower id first. To look closely at few, a score is sought by
   halving that at least k, and not many more, reach. */
static void likeliest(const float *scores, int n, int k, float top, choice *found) {
    float least = -INFINITY, below = top - 64, above = top;
    for (int tries = 0, count = 0; tries < 12 && k > 0 && (count < k || count > 2 * k); tries++) {
        float middle = (below + above) / 2;
        count = 0;
        for (int i = 0; i < n; i++) count += scores[i] >= middle;
        if (count >= k) least = below = middle;
        else above = middle;
    }
    for (int i = 0, have = 0; i < n && k > 0; i += LANES) {
        int end = i + LANES, some = end > n;
        for (int j = i; j < i + LANES && end <= n; j++) some += scores[j] >= least;
        for (int j = i; j < end && j < n && some; j++) {
            if (!(scores[j] >= least)) continue;
            if (have < k) {
                found[have++] = (choice){scores[j], j};
                for (int at = have < k ? 0 : k / 2; at-- > 0;) sink(found, k, at, found[at]);
            } else if (scores[j] > found->score) sink(found, k, 0, (choice){scores[j], j});
        }
    }
    for (int i = k; i-- > 1;) {
        choice last = found[0];
        sink(found, i, 0, found[i]), found[i] = last;
    }
}

/* The token that u from [0, 1) picks; -1 where the scores are no numbers. Of `recent`, the latest last, RECENT count.
   *probability, if it is wanted, is what the model itself gives the token, before all of this. */
int tf_draw(const float *scores, int n, const tf_sampling *s, double u, const int *recent, int n_recent,
            double *probability) {
    int sound, first = n_recent > RECENT ? n_recent - RECENT : 0, k = s->top_k > 0 && s->top_k < n ? s->top_k : n;
    float top = highest(scores, n, &sound), own_top = top, *held = NULL;
    if (!sound) return fail("the model's scores are not finite numbers: its parameters are damaged"), -1;
    if (s->repeat != 1 && n_recent > 0 && (held = malloc(sizeof *held * (size_t)n))) {
        memcpy(held, scores, sizeof *held * (size_t)n);
        for (int i = first; i < n_recent; i++) {
            int id = recent[i], again = id < 0 || id >= n;
            for (int j = first; j < i; j++) again |= recent[j] == id;
            if (!again) held[id] = held[id] > 0 ? held[id] / s->repeat : held[id] * s->repeat;
        }
        top = highest(held, n, &sound);
    }
    const float *z = held ? held : scores;
    if (s->temperature == 0) k = 1;
    double all = k == n ? total_chance(z, n, top) : 0, kept_sum = 0, sum = 0;
    if (k == n && s->min_p > 0) { /* those below it cannot be kept, and need not be sorted */
        float least = top + logf(s->min_p) - 1e-3f;
        for (int i = k = 0; i < n; i++) k += z[i] >= least;
    }
    choice *found = malloc(sizeof *found * (size_t)k);
    if (!found || (s->repeat != 1 && n_recent > 0 && !held)) return free(found), free(held), fail("out of memory"), -1;
    likeliest(z, n, k, top, found), free(held);
    for (int i = 0; i < k && !all; i++) sum += exp(found[i].score - top);
    all = all ? all : sum, sum = 0;
    int kept = 0, id = 0;
    for (double p; kept < k; kept++, kept_sum += p) {
        p = exp(found[kept].score - top);
        if (kept && (kept_sum >= s->top_p * all || p < s->min_p)) break;
    }
    for (int i = 0; i < kept; i++) found[i].score = sum += exp((found[i].score - top) / (s->temperature ? s->temperature : 1));
    while (id < kept - 1 && found[id].score / sum <= u) id++;
    id = found[id].id, free(found);
    if (probability) *probability = exp((double)scores[id] - own_top) / total_chance(scores, n, own_top);
    return id;
}

int tf_sample(const float *scores, int n, const tf_sampling *s, tf_random *r, const int *recent, int n_recent,
              double *probability) {
    return tf_draw(scores, n, s, uniform(r), recent, n_recent, probability);
}

/* Goes on from the ids of a text, of which the cache may hold a beginning already, by at most n tokens. `each` is told of
   every one, with its probability and the likeliest candidates, and ends it by a number that is not 0; so does a token
   that ends texts. When the context is full, its later half is read anew. How many tokens were made, or -1. */
int tf_generate(tf_model *model, tf_cache *cache, const int *prompt, int n_prompt, int n, const tf_sampling *s,
                int n_candidates, int (*each)(int id, double probability, const int *ids, const double *chances, void *),
                void *context) {
    const vocabulary *v = model->words;
    int rows = tf_size(model, 0), words = v->n_real > 0 && v->n_real < rows ? v->n_real : rows; /* padding is no token */
    int room = tf_cache_room(cache), half = room > 1 ? room / 2 : 1, made = 0, going = 1, sound;
    if (n_prompt < 1) return fail("there are no tokens to go on from"), -1;
    if (n_prompt > room) return fail("the text is %d tokens long; the model reads %d: shorten it", n_prompt, room), -1;
    n_candidates = n_candidates < words ? n_candidates : words;
    float *scores = malloc(sizeof *scores * (size_t)rows);
    int *ids = malloc(sizeof *ids * ((size_t)room + RECENT + 1)); /* what the cache holds, and a little before that */
    choice *found = calloc((size_t)n_candidates + 1, sizeof *found + sizeof(double) + sizeof(int));
    tf_random *random = tf_random_new(s->seed);
    if (!scores || !found || !ids || !random) fail("out of memory"), going = 0, made = -1;
    double *chances = (double *)(found + n_candidates + 1), probability;
    int *candidates = (int *)(chances + n_candidates + 1);
    int total = n_prompt, at = tf_cache_length(cache) < n_prompt ? tf_cache_length(cache) : n_prompt - 1;
    if (going) memcpy(ids, prompt, sizeof *ids * (size_t)total), tf_cache_keep(cache, at);
    while (going && made < n) {
        if (tf_cache_length(cache) == room) {
            int kept = half > RECENT ? half : total < RECENT ? total : RECENT;
            memmove(ids, ids + total - kept, sizeof *ids * (size_t)kept), total = kept, at = total - half;
            tf_cache_keep(cache, 0);
        }
        int count = total - at;
        if (tf_forward(model, 1, &cache, &count, ids + at, scores, 0) ||
            (ids[total] = tf_sample(scores, words, s, random, ids, total, &probability)) < 0) { made = -1; break; }
        likeliest(scores, words, n_candidates, n_candidates > 0 ? highest(scores, words, &sound) : 0, found);
        double all = n_candidates > 0 ? total_chance(scores, words, (float)found->score) : 1;
        for (int i = 0; i < n_candidates; i++)
            candidates[i] = found[i].id, chances[i] = exp(found[i].score - found->score) / all;
        int id = ids[at = total++];
        going = (!each || !each(id, probability, candidates, chances, context)) && id != v->last[0] && id != v->last[1];
        made++;
    }
    return free(scores), free(found), free(ids), tf_random_free(random), made;
}

/* ── 5  The command ──────────────────────────────────────────────────────────────────────────────────────────────── */

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
    long long n, verbose;
    int end;                 /* the token that ends a turn, or -1 */
    encoder said;            /* all that was read and written, as ids */
    char bytes[4];           /* of a character that is not yet complete */
    size_t n_bytes;
    double first, last;      /* when those tokens came */
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
        size_t n = 0, size = 0; /* as many bytes as begin a character, which takes so many in all */
        for (size_t tried = 1; tried <= s->n_bytes && tried == n + 1; tried++)
            for (int rest = 0x80; rest <= 0xbf && n < tried; rest += 0x3f) {
                char whole[4] = {(char)rest, (char)rest, (char)rest, (char)rest};
                memcpy(whole, s->bytes, tried);
                size_t found = character((text){whole, 4}, &c);
                if (found >= tried) n = tried, size = found;
            }
        if (n && n < size && n == s->n_bytes && !end) return; /* more may come */
        fwrite(n && n == size ? s->bytes : "\xef\xbf\xbd", 1, n && n == size ? n : 3, stdout);
        n = n ? n : 1;
        memmove(s->bytes, s->bytes + n, s->n_bytes -= n);
    }
}

static int show_token(int id, double probability, const int *ids, const double *chances, void *context) {
    (void)probability, (void)ids, (void)chances;
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
    int before = (int)s->said.n_ids, read = before - tf_cache_length(s->cache), room = tf_cache_room(s->cache);
    double begun = now();
    s->first = 0, answering = 1;
    int made = tf_generate(s->model, s->cache, s->said.ids, before, (int)s->n, &s->sampling, 0, show_token, s);
    answering = 0, show_bytes(s, 1), puts(""), fflush(stdout);
    if (made < 0 || s->said.failed) return made < 0 ? 0 : fail("out of memory");
    if (s->verbose)
        fprintf(stderr, "read %d tokens, %.0f per second; wrote %d, %.0f per second\n", read, read / (s->first - begun),
                made, made > 1 ? (made - 1) / (s->last - s->first) : 0);
    if (before + made > room) fprintf(stderr, "past its context, %d, it saw the latest only\n", room);
    if (made) forget(s, s->said.n_ids - (size_t)tf_cache_length(s->cache) - 1); /* what it has slid past */
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
    for (int room = tf_cache_room(s->cache);; begin = style->begin[USER]) {
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

typedef struct { const char *name; char form; void *at; double least, most; const char *told; } option;

/* Takes argv[*i], and the value behind it where it has one: a flag, a whole or real number, or a text. 1, or 0. */
static int take_option(const option *o, int n, char **argv, int *i) {
    size_t length = strcspn(argv[*i], "=");
    while (n && (strlen(o->name) != length || strncmp(argv[*i], o->name, length))) o++, n--;
    if (!n) return fail("there is no option %s; -h lists them", argv[*i]);
    if (o->form == 'f') return *(long long *)o->at = 1, 1;
    const char *value = argv[*i][length] ? argv[*i] + length + 1 : argv[++*i];
    if (!value) return fail("%s needs a value behind it", o->name);
    if (o->form == 't') return *(const char **)o->at = value, 1;
    char *end;
    double real = strtod(value, &end);
    if (*end || end == value || !(real >= o->least && real <= o->most) || (o->form == 'w' && strpbrk(value, ".eExXnN")))
        return fail("%s %s is not between %.10g and %.10g", o->name, value, o->least, o->most);
    if (o->form == 'r') *(float *)o->at = (float)real;
    else *(long long *)o->at = strtoll(value, NULL, 10);
    return 1;
}

int main(int argc, char **argv) {
    static session s = {.sampling = {0.8f, 40, 0.95f, 0.05f, 1, 0}, .n = -1, .end = -1};
    const char *given[2] = {NULL, NULL}, *system = NULL;
    long long threads = 0, top_k = s.sampling.top_k, seed = 0, chat = 0, help = argc < 2;
    const option options[] = {
        {"-n", 'w', &s.n, 0, INT32_MAX, "how many tokens to write (100; with -i as many as an answer takes)"},
        {"--temperature", 'r', &s.sampling.temperature, 0, 100, "0 takes the likeliest, above 1 is bolder (0.8)"},
        {"--top-k", 'w', &top_k, 0, INT32_MAX, "keep this many of the likeliest tokens; 0 keeps all (40)"},
        {"--top-p", 'r', &s.sampling.top_p, 0, 1, "keep the fewest tokens that hold this much of the chance (0.95)"},
        {"--min-p", 'r', &s.sampling.min_p, 0, 1, "keep tokens at least this many times as likely as the first (0.05)"},
        {"--repeat", 'r', &s.sampling.repeat, 0.01, 100, "above 1 holds the latest 64 tokens back (1)"},
        {"--seed", 'w', &seed, 0, 0x1p63 - 1024, "which of the possible texts (0)"},
        {"-t", 'w', &threads, 0, 1024, "threads; 0 takes as many as there are cores for it (0)"},
        {"-v", 'f', &s.verbose, 0, 0, "tell how long it took"},
        {"-i", 'f', &chat, 0, 0, "hold a conversation"},
        {"--system", 't', &system, 0, 0, "what the assistant is told before a conversation"},
        {"-h", 'f', &help, 0, 0, "this help"},
    };
    int n_options = sizeof options / sizeof *options, sound = 1, n_given = 0;
    for (int i = 1; i < argc && sound; i++)
        if (argv[i][0] == '-' && argv[i][1]) sound = take_option(options, n_options, argv, &i);
        else if (n_given < 2 - (int)chat) given[n_given++] = argv[i];
        else sound = fail("'%s' is one text too many; put a text between quotation marks", argv[i]);
    if (sound && !help && n_given < 2 - (int)chat)
        sound = fail("give it a parameters file, and a text to go on from: - reads one, and -i talks instead");
    if (!sound) return fprintf(stderr, "run: %s\n", tf_error()), 2;
    if (help) {
        puts("usage: run parameters.gguf \"Once upon a time\" [options]\n       run parameters.gguf -i [options]\n");
        for (int i = 0; i < n_options; i++) printf("  %-14s %s\n", options[i].name, options[i].told);
        return 0;
    }
    double begun = now();
    s.sampling.top_k = (int)top_k, s.sampling.seed = (uint64_t)seed, s.n = s.n < 0 ? (chat ? INT32_MAX : 100) : s.n;
    s.model = tf_open(given[0], (int)threads);
    s.cache = s.model ? tf_cache_new(s.model, tf_size(s.model, 1), -1) : NULL;
    const vocabulary *v = s.said.v = s.cache ? s.model->words : NULL;
    if (!v || (*v->why && !fail("%s", v->why))) return fprintf(stderr, "run: %s\n", tf_error()), 2;
    if (s.verbose) fprintf(stderr, "opened in %.3f s; %s, %d threads\n", now() - begun, tf_kernel(), tf_size(s.model, 4));
    signal(SIGINT, interrupt);
    if (v->add_bos) add_id(&s.said, v->bos);
    if (!chat) {
        text words = strcmp(given[1], "-") ? (text){given[1], strlen(given[1])} : read_text(stdin, 0);
        if (words.n) fwrite(words.at, 1, words.n, stdout), fflush(stdout);
        add_text(&s.said, words, 0);
    }
    sound = chat ? converse(&s, system) : answer(&s);
    if (!sound) fprintf(stderr, "run: %s\n", tf_error());
    encoder_free(&s.said), tf_cache_free(s.cache), tf_close(s.model);
    return !sound ? 2 : interrupted ? 130 : 0;
}
