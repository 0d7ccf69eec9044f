// Colours of data, the same in every figure here. An activation or a pixel is ink on paper; what is signed is paper at zero,
// orange above and blue below; a cost is viridis (van der Walt, Smith 2015), which is even to the eye and in shades of gray.

const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
const STEPS = 256;
const scheme = matchMedia("(prefers-color-scheme: dark)");
let tables = {};

const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const STOPS = {
  ink: () => [variable("paper"), variable("ink")],
  signed: () => [variable("less"), variable("paper"), variable("more")],
  cost: () => VIRIDIS,
};

function table(name) {
  if (tables[name]) return tables[name];
  const canvas = document.createElement("canvas");
  canvas.width = STEPS;
  canvas.height = 1;
  const context = canvas.getContext("2d"), gradient = context.createLinearGradient(0.5, 0, STEPS - 0.5, 0), stops = STOPS[name]();
  stops.forEach((colour, i) => gradient.addColorStop(i / (stops.length - 1), colour));
  context.fillStyle = gradient;
  context.fillRect(0, 0, STEPS, 1);
  return (tables[name] = context.getImageData(0, 0, STEPS, 1).data);
}

const place = (t) => 4 * Math.round(Math.max(0, Math.min(1, t || 0)) * (STEPS - 1));
const share = (name, value, most) => (name === "signed" ? 0.5 + value / most / 2 : value / most);

/** The colour of a value between 0 and `most`, or, where it is signed, between −most and most. */
export function colour(name, value, most = 1) {
  const at = place(share(name, value, most)), [r, g, b] = table(name).subarray(at, at + 3);
  return `rgb(${r} ${g} ${b})`;
}

/** Paint `values`, row by row, one pixel each; the style sheet makes them larger. */
export function paint(canvas, values, columns, name, most = 1, least = 0) {
  const rows = Math.ceil(values.length / columns), colours = table(name);
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  for (let i = 0; i < values.length; i += 1) {
    const at = place(share(name, values[i] - least, most - least));
    for (let c = 0; c < 4; c += 1) image.data[4 * i + c] = colours[at + c];
  }
  context.putImageData(image, 0, 0);
}

export const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);

/** Until the signal: `draw` again when the colours of paper and ink change places. */
export function whenColoursChange(draw, signal) {
  scheme.addEventListener("change", () => { tables = {}; draw(); }, { signal });
}

/** Three figures with a sign: +0.123, −4.56, 1.2e−5. */
export function signed(value, plus = true) {
  const size = Math.abs(value);
  const text = size === 0 ? "0" : size < 0.001 || size >= 9999.5 ? size.toExponential(1).replace("-", "−").replace("+", "") : size >= 99.95 ? size.toFixed(0) : size.toPrecision(3);
  return `${value < 0 ? "−" : plus && value > 0 ? "+" : ""}${text}`;
}
