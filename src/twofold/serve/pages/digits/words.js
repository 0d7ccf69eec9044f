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

const TEXTS = {
  reading: ({ code, digits: { side } }) => ({
    plain: [p(`A neuron holds a number, its activation. It takes the activations of the layer before it, each times a weight of its own, adds them up with a bias, and squashes the sum. The first layer does this with ${side * side} pixels, and the last has one neuron for each digit; the strongest is the answer.`),
      p("Point at a neuron, or go to one with the arrow keys, to see the weights into it. One hopes for edges and loops; mostly they look like clouds. The network finds weights that work on the images it was shown, and nothing makes them be what we would call a reason. It has no way to say that something is no digit: draw a tree, or press Noise."),
      ...(side === 28 ? [p("Before it is read, a drawing is scaled into 20 × 20 pixels and moved so that its centre of mass is in the middle of 28 × 28, as all the images were that the network learned from. In a corner, where it never saw ink, it could read nothing.")] : [])],
    mathematics: [formula(sub(i("z"), "i"), o("="), o("∑"), m("msub", i("w"), m("mrow", i("i"), i("j"))), m("msubsup", i("a"), i("j"), o("′")), o("+"), sub(i("b"), "i")),
      formula(sub(i("a"), "i"), o("="), i("σ"), o("("), sub(i("z"), "i"), o(")"), o("="), frac([n("1")], [n("1"), o("+"), m("msup", i("e"), m("mrow", o("−"), sub(i("z"), "i")))])),
      p(`a′ are the activations of the layer before. With ReLU the hidden layers take max(0, z) instead; with cross-entropy the outputs are a softmax. ${side * side} · 16 + 16 · 16 + 16 · 10 weights and 16 + 16 + 10 biases are ${(side * side * 16 + 458).toLocaleString("en")} numbers.`)],
    code: [p("Network._forward, as it runs on the server:"), h("pre", { tabindex: 0 }, h("code", {}, code.forward))],
  }),
  learning: ({ code }) => ({
    plain: [p("The cost says how far the outputs are from what they should be. For one image and every single weight one can ask: if it went up a little, would the cost go up or down, and how fast? All the answers together are the gradient; a step of descent moves every weight a little against it. A batch of images is asked at a time, and their answers are averaged."),
      p("Backpropagation finds the answers from the back. The outputs know which way they should go. A weight into an output matters as much as the neuron it comes from is active; and that neuron, in turn, wants to go up or down according to the weights that lead from it. So the wishes go back, layer by layer. Go through the stages with the slider: orange wants to go up, blue down."),
      p("The landscape is the cost over all weights and biases; two directions of it are drawn, those in which the path went furthest.")],
    mathematics: [formula(by(m("msub", i("w"), m("mrow", i("i"), i("j")))), o("="), m("msubsup", i("a"), i("j"), o("′")), m("msup", i("σ"), o("′")), o("("), sub(i("z"), "i"), o(")"), by(sub(i("a"), "i"))),
      formula(by(sub(i("b"), "i")), o("="), m("msup", i("σ"), o("′")), o("("), sub(i("z"), "i"), o(")"), by(sub(i("a"), "i"))),
      formula(by(m("msubsup", i("a"), i("j"), o("′"))), o("="), o("∑"), m("msub", i("w"), m("mrow", i("i"), i("j"))), m("msup", i("σ"), o("′")), o("("), sub(i("z"), "i"), o(")"), by(sub(i("a"), "i"))),
      p("Squared error: C = Σ (a − y)², so ∂C/∂a = 2 (a − y) at the outputs. Cross-entropy: C = −ln a of the right digit. A step is w ← w − η ∂C/∂w, with η the learning rate; with momentum μ it is v ← μ v − η ∂C/∂w, w ← w + v.")],
    code: [p("Network.gradients, as it runs on the server:"), h("pre", { tabindex: 0 }, h("code", {}, code.backward))],
  }),
};

export const explanation = (of, about) => explain(of === "reading" ? "how the network reads" : "how it learns", TEXTS[of](about));
