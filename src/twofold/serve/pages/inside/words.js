// What is seen, explained at three depths; the code is the server's own, as it runs.

import { h } from "../dom.js";
import { explain } from "../explain.js";

const p = (text) => h("p", {}, text), f = (text) => h("p", { class: "formula" }, text);

const WORDS = {
  next: ["what comes next", "The model ends in one score for every token of its vocabulary. The scores become chances; the higher the temperature, the more alike they get. Everything else on this page is how it came to these scores.",
    ["p = softmax(logits / T)", "logits = W_U · norm(x)"], "x is the stream at the chosen token after the last layer, T the temperature; at 0 the likeliest has all."],
  lens: ["the stream", "Every token has a vector of its own, the stream, to which each layer adds something. Early on it says mostly which token it is; layer by layer it turns into what comes next. Here the model's last step is applied in between, as if the layers after it were not there. Early layers need not write in the last one's language, so their words are to be read with care.",
    ["x₀ = W_E[token]", "x ← x + attention(norm(x));   x ← x + MLP(norm(x))", "lens after layer l:  softmax(W_U · norm(x_l))"], "The logit lens (nostalgebraist, 2020)."],
  block: ["a block", "A block has two halves. In attention, tokens look at earlier ones and take something over from them; each head looks for something else. In the MLP each token thinks for itself. Both add to the stream, none replaces it. Where a head looks is no proof of what it does: cut it out, and see what changes.",
    ["A = softmax(q kᵀ / √e),  only to what came before", "head(x) = A · v · W_Oᵀ"], "Each row of A adds up to 1. A head that finds nothing often looks at the first token."],
  pair: ["a pair", "The token that looks has a query, the other one a key. Where both have the same sign, their product counts for looking, where they differ, against it. The sum of the products is the score. Softmax sets it against the scores of all others; what comes out is how much of the other's value is moved over.",
    ["q = W_Q norm(x_query),  k = W_K norm(x_key),  v = W_V norm(x_key)", "weight = softmax over keys of (q · k / √e)", "to the scores:  W_U diag(g) W_O (weight · v) / scale"], "q and k are as they are multiplied: normed and turned by their positions where the model does so. g and scale are those of the last norm. What later layers make of it is not in it."],
  neurons: ["an MLP", "An MLP is many neurons. Each asks one question of the stream, and writes its own vector into it as strongly as the answer is yes. What excites a neuron most is a guess at what it is for, and only that: of its weaker answers one sees nothing.",
    ["post = f(W_in x)   or   f(W_gate x) × (W_in x)", "MLP(x) = Σ post_i · W_out[:, i]"], "Neurons are in the order of |post| at the chosen token."],
  shares: ["the shares", "The stream is a sum, so the score of a token is a sum too: a share from the embedding, from each head, from each MLP. Orange raised it, blue lowered it. What a head does by way of later layers is counted with those layers: cutting it out can change more, or less, than its share, and trying every part without it shows that.",
    ["logit(t) = (W_U[t] · g / scale) · (x₀ + Σ heads + Σ MLPs)"], "Direct logit attribution (Elhage et al. 2021). The scale of the last norm is held as it was, so the shares add up exactly. The token is the likeliest one, as the model is now, with what is cut out cut out."],
  near: ["embeddings", "Each token begins as one row of a matrix, whatever stands around it. Tokens that are used alike come to lie in like directions. Of small or little trained models much of it is chance.",
    ["cos(a, b) = E_a · E_b / (|E_a| |E_b|)"], "E is the matrix W_E, its rows as they are."],
  plane: ["the map", "An embedding has hundreds of numbers, a page two directions. Here are the two in which the tokens that are drawn differ most. What lies together may be far apart in all the others. So it is said how much of the differences is seen, and beside it how much one would see of as many tokens drawn by chance, which have nothing to do with each other.",
    ["X = rows of W_E − their mean = U S Vᵀ", "point i = (U_i1 S_1, U_i2 S_2)", "share = (S_1² + S_2²) / Σ S_k²"], "Principal components, by the singular value decomposition. Both axes have one scale. The sign of a direction is any. The cosines that are told are of the whole rows, not of the points."],
  analogies: ["analogies", "Go from man to woman, and take the same step from king: is queen there? The three words of the question are left out of its answers, and the nearest to the third might be the answer whatever the step. So it is counted, over every two pairs, how often the right step finds the fourth word, how often that of two tokens drawn by chance does, and how often no step at all.",
    ["answer = argmax over t ≠ a, b, c of cos(E_t, E_b − E_a + E_c)", "n pairs make n (n − 1) questions"], "Mikolov et al. 2013; that the step may matter little, Linzen 2016. The intervals are Wilson's."],
  areas: ["the parameters", "All that a model knows is in these matrices. They do not change while it runs; what runs through them does. In small models the vocabulary's two take most of the room.",
    ["key = query = value = output = layers · d · heads · e", "up = down = layers · d · f", "embedding = unembedding = vocabulary · d"], "With grouped queries there are fewer keys and values."],
};

export function explanation(of, { code }) {
  const [legend, plain, formulas, note] = WORDS[of];
  return explain(legend, { plain: [p(plain)], mathematics: [...formulas.map(f), p(note)], code: [p("As it runs on the server:"), h("pre", { tabindex: 0 }, h("code", {}, code[of]))] });
}
