// What is seen, explained at three depths; the code is the server's own, as it runs.

import { explain } from "../explain.js";
import { h } from "../dom.js";

const MATH = "http://www.w3.org/1998/Math/MathML";
const p = (...parts) => h("p", {}, ...parts);

/** m("mrow", m("mi", "z"), …) */
function m(name, ...children) {
  const made = document.createElementNS(MATH, name);
  made.append(...children);
  return made;
}
const i = (text) => m("mi", text), o = (text) => m("mo", text), n = (text) => m("mn", text);
const frac = (above, below) => m("mfrac", m("mrow", ...above), m("mrow", ...below));
const sub = (base, index) => m("msub", base, i(index));

function formula(...parts) {
  const made = m("math", m("mrow", ...parts));
  made.setAttribute("display", "block");
  return made;
}

const by = (of) => frac([o("∂"), i("C")], [o("∂"), of]);

const preprocessed = (side) => (side === 28 ? [p("Before it is read, a drawing is scaled into 20 × 20 pixels and moved so that its centre of mass is in the middle of 28 × 28, as all the images were that the network learned from. In a corner, where it never saw ink, it could read nothing.")] : []);
const descent = () => p("The cost says how far the outputs are from what they should be. For one image and every single weight one can ask: if it went up a little, would the cost go up or down, and how fast? All the answers together are the gradient; a step of descent moves every weight a little against it. A batch of images is asked at a time, and their answers are averaged.");
const landscape = () => p("The landscape is the cost over all weights and biases; two directions of it are drawn, those in which the path went furthest.");
const step = "A step is w ← w − η ∂C/∂w, with η the learning rate; with momentum μ it is v ← μ v − η ∂C/∂w, w ← w + v.";
const slope = () => m("msup", i("σ"), o("′")), before = () => m("msubsup", i("a"), i("j"), o("′"));
const source = (name, text) => [p(`${name}, as it runs on the server:`), h("pre", { tabindex: 0 }, h("code", {}, text))];
const many = (base, ...signs) => m("msub", base, m("mrow", ...signs));
const at = (dy, dx) => [o(","), i("y"), ...dy, o(","), i("x"), ...dx];

const CONNECTED = {
  reading: ({ code, digits: { side } }, { sizes, weights, biases }) => ({
    plain: [p(`A neuron holds a number, its activation. It takes the activations of the layer before it, each times a weight of its own, adds them up with a bias, and squashes the sum. The first layer does this with ${side * side} pixels, and the last has one neuron for each digit; the strongest is the answer.`),
      p("Point at a neuron, or go to one with the arrow keys, to see the weights into it. One hopes for edges and loops; mostly they look like clouds. The network finds weights that work on the images it was shown, and nothing makes them be what we would call a reason. It has no way to say that something is no digit: draw a tree, or press Noise."),
      ...preprocessed(side)],
    mathematics: [formula(sub(i("z"), "i"), o("="), o("∑"), many(i("w"), i("i"), i("j")), before(), o("+"), sub(i("b"), "i")),
      formula(sub(i("a"), "i"), o("="), i("σ"), o("("), sub(i("z"), "i"), o(")"), o("="), frac([n("1")], [n("1"), o("+"), m("msup", i("e"), m("mrow", o("−"), sub(i("z"), "i")))])),
      p(`a′ are the activations of the layer before. With ReLU the hidden layers take max(0, z) instead; with cross-entropy the outputs are a softmax. ${sizes.slice(1).map((size, l) => `${sizes[l]} · ${size}`).join(" + ")} weights and ${sizes.slice(1).join(" + ")} biases are ${counted(weights, biases)} numbers.`)],
    code: source("Network._forward", code.connected.forward),
  }),
  learning: ({ code }) => ({
    plain: [descent(),
      p("Backpropagation finds the answers from the back. The outputs know which way they should go. A weight into an output matters as much as the neuron it comes from is active; and that neuron, in turn, wants to go up or down according to the weights that lead from it. So the wishes go back, layer by layer. Go through the stages with the slider: orange wants to go up, blue down."), landscape()],
    mathematics: [formula(by(many(i("w"), i("i"), i("j"))), o("="), before(), slope(), o("("), sub(i("z"), "i"), o(")"), by(sub(i("a"), "i"))),
      formula(by(sub(i("b"), "i")), o("="), slope(), o("("), sub(i("z"), "i"), o(")"), by(sub(i("a"), "i"))),
      formula(by(before()), o("="), o("∑"), many(i("w"), i("i"), i("j")), slope(), o("("), sub(i("z"), "i"), o(")"), by(sub(i("a"), "i"))),
      p(`Squared error: C = Σ (a − y)², so ∂C/∂a = 2 (a − y) at the outputs. Cross-entropy: C = −ln a of the right digit. ${step}`)],
    code: source("Network.gradients", code.connected.backward),
  }),
};

const CONVOLUTIONAL = {
  reading: ({ code, digits: { side } }, { maps, weights, biases }) => ({
    plain: [p(`A kernel is a small picture of weights. It is laid on every place of the image; what lies under it is multiplied, pixel by pixel, and added up: where the image looks like the kernel, the sum is large. All these sums, with what is below 0 made 0, are a map. ${maps.some((map) => map[3] > 1) ? "Of neighbouring sums only the largest is kept: it matters that something was there, not in exactly which pixel. " : ""}The next convolution does the same with the maps of the one before, and the ten outputs weigh what its maps hold.`),
      p("The same kernel is used everywhere, so what it learned in one corner it knows in all others. That is why so few weights read so well. Point at a map or an output, or go to one with the arrow keys, to see the weights into it. It has no way to say that something is no digit: draw a tree, or press Noise."),
      ...preprocessed(side)],
    mathematics: [formula(many(i("z"), i("c"), ...at([], [])), o("="), o("∑"), many(i("k"), i("c"), i("d"), i("i"), i("j")), m("msubsup", i("a"), m("mrow", i("d"), ...at([o("+"), i("i")], [o("+"), i("j")])), o("′")), o("+"), sub(i("b"), "c")),
      formula(i("a"), o("="), i("max"), o("("), n("0"), o(","), i("z"), o(")")),
      p(`c counts maps, d the maps before (or the one image), i and j the pixels of a kernel. Where several places become one, a is the largest of theirs. The outputs are a softmax of all that the last maps hold, times weights. There are ${counted(weights, biases)} weights and biases.`)],
    code: source("ConvolutionalNetwork._forward", code.convolutional.forward),
  }),
  learning: ({ code }) => ({
    plain: [descent(),
      p("Backpropagation finds the answers from the back. The outputs know which way they should go, and so does each place of the maps before them, by the weights that lead from it. Of neighbouring places only the largest was heard, so only it is told. A kernel was used at every place: what all those places want of one of its weights is added up. Go through the stages with the slider: orange wants to go up, blue down."), landscape()],
    mathematics: [formula(by(many(i("k"), i("c"), i("d"), i("i"), i("j"))), o("="), m("munder", o("∑"), m("mrow", i("y"), o(","), i("x"))), m("msubsup", i("a"), m("mrow", i("d"), ...at([o("+"), i("i")], [o("+"), i("j")])), o("′")), by(many(i("z"), i("c"), ...at([], [])))),
      formula(by(sub(i("b"), "c")), o("="), m("munder", o("∑"), m("mrow", i("y"), o(","), i("x"))), by(many(i("z"), i("c"), ...at([], [])))),
      formula(by(m("msubsup", i("a"), m("mrow", i("d"), ...at([], [])), o("′"))), o("="), o("∑"), many(i("k"), i("c"), i("d"), i("i"), i("j")), by(many(i("z"), i("c"), ...at([o("−"), i("i")], [o("−"), i("j")])))),
      p(`C = −ln a of the right digit, so ∂C/∂z = a − y at the outputs. ∂C/∂z in a map is ∂C/∂a where z was the largest and above 0, and 0 elsewhere. ${step}`)],
    code: source("ConvolutionalNetwork.gradients", code.convolutional.backward),
  }),
};

const counted = (weights, biases) => (weights.reduce((sum, { rows, columns }) => sum + rows * columns, 0) + biases.flat().length).toLocaleString("en");

/** Of `network`, unpacked, whose kind decides about the words. */
export function explanation(of, about, network) {
  return explain(of === "reading" ? "how the network reads" : "how it learns", (network.maps.length ? CONVOLUTIONAL : CONNECTED)[of](about, network));
}
