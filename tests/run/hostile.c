/* Many damaged parameters files through run.c in one process: each is opened, used, and tried as new weights.

   Standard input has frames of four numbers of 4 bytes (what to do, how many threads, two lengths), a file and a text.
   For each frame there is a line on standard output: 1 if the file was accepted, else 0 and why. What is not sound is
   for the sanitisers to find. */

#define main run_main
#include RUN_C
#undef main

enum { KEEP, USE };
static tf_model *sound[64]; /* to be given new weights */
static int n_sound;

static void check(int holds, const char *what) {
    if (!holds) fprintf(stderr, "%s: %s\n", what, tf_error()), abort();
}

static int hear(int id, double probability, void *context) {
    const tf_model *m = context;
    int n, kind;
    check(id >= 0 && id < tf_size(m, 0) && probability >= 0 && probability <= 1.001, "a token");
    if (id < m->words.n) check(tf_token(m, id, &n, &kind) != NULL && n >= 0, "its bytes");
    return 0;
}

static void use(tf_model *m, const char *bytes, size_t n) {
    int ids[256], count[2] = {3, 1}, two[4] = {0, 0, 0, 0}, room = tf_size(m, 1) < 64 ? tf_size(m, 1) : 64;
    for (int special = 0; special < 2; special++) {
        int made = tf_tokenize(m, bytes, n, special, ids, 256);
        for (int i = 0; i < made && i < 256; i++) check(ids[i] >= 0 && ids[i] < m->words.n, "an id");
    }
    int made = tf_tokenize(m, bytes, n, 0, ids, 256);
    made = made < 1 ? (ids[0] = 0, 1) : made < room ? made : room;
    if (made > 256) made = 256;
    tf_cache *a = tf_cache_new(m, room, -1), *b = tf_cache_new(m, room, KEEP_INT8), *both[2] = {a, b};
    if (!a || !b) { tf_cache_free(a), tf_cache_free(b); return; }
    for (int i = 0; i < 2; i++) {
        tf_sampling s = {i ? 0.9f : 0, i ? 0 : 40, 0.95f, i ? 0 : 0.05f, i ? 1.2f : 1, 7};
        tf_generate(m, both[i], ids, made, 5, &s, hear, m);
        tf_cache_keep(both[i], 0);
    }
    float *out = malloc(sizeof *out * 4 * (size_t)(tf_size(m, 0) + tf_size(m, 3)));
    if (out && room > 4) {
        for (int every = 0; every < 3; every++) tf_forward(m, 2, both, count, two, out, every), tf_cache_keep(a, 0), tf_cache_keep(b, 0);
        tf_cache *c = tf_cache_new(m, room, -1);
        if (c) tf_cache_copy(c, a, tf_cache_length(a));
        tf_cache_free(c);
    }
    free(out), tf_cache_free(a), tf_cache_free(b);
    session s = {.model = m, .said = {.v = &m->words}, .end = -1};
    text words = default_system(&m->words);
    for (size_t i = 0; i < sizeof CHATS / sizeof *CHATS && !*m->words.why; i++) {
        say(&s, CHATS[i].begin[SYSTEM], words, CHATS[i].end[SYSTEM]), say(&s, CHATS[i].begin[USER], (text){bytes, n}, "");
        encode_plain(&s.said);
    }
    encoder_free(&s.said);
}

int main(void) {
    uint32_t head[4];
    while (fread(head, sizeof head, 1, stdin) == 1) {
        char *bytes = malloc(head[2] + 1), *words = malloc(head[3] + 1);
        if (!bytes || !words || fread(bytes, 1, head[2], stdin) != head[2] || fread(words, 1, head[3], stdin) != head[3]) return 3;
        tf_model *m = tf_open(NULL, bytes, head[2], (int)head[1]);
        if (head[0] == KEEP) check(m && n_sound < 64, "a sound file"), sound[n_sound++] = m;
        else if (m) use(m, words, head[3]);
        printf("%d %s\n", m != NULL, m ? "" : tf_error());
        for (int i = 0; head[0] == USE && i < n_sound; i++)
            if (!tf_refresh(sound[i], bytes, head[2])) use(sound[i], words, head[3]);
        if (head[0] == USE) tf_close(m);
        free(bytes), free(words), fflush(stdout);
    }
    while (n_sound) tf_close(sound[--n_sound]);
}
