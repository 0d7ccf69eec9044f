// What the page does once it is open: draws the curves, browses samples.

const run = JSON.parse(document.getElementById("run").textContent);
const steps = run.steps, measures = run.evaluations;
const sourceColour = (source) => `var(--source-${Math.min(run.sources.indexOf(source), 5) + 1})`;
const sourceShape = (source) => Math.min(run.sources.indexOf(source), 5);

// The common axis: how far the run was after each step -----------------------------------------------------------

const taken = steps.step.map((step) => step + 1);
let passed = 0;
const seconds = steps.elapsed.map((each) => (passed += each ?? 0));
const times = (values, factor) => values.map((each) => factor && each !== null ? each * factor : null);
const tokens = times(taken, run.tokens_per_step);
const AXES = {
  step: { label: "steps", xs: taken, ticks, format: (x) => terse(x), say: (x) => `step ${x}` },
  seconds: { label: "time of training", xs: seconds, ticks: timeTicks, format: (x) => x === 0 ? "0" : x % 60 === 0 && x < 3600 ? `${x / 60} min` : clock(x), say: clock },
  tokens: { label: "tokens read", xs: tokens, ticks, format: (x) => terse(x), say: (x) => `${figures(x)} tokens` },
  flops: { label: "floating-point operations", xs: times(tokens, run.flops_per_token), ticks,
    format: (x) => terse(x, "FLOP", METRIC), say: (x) => figures(x, "FLOP", METRIC) },
};
const chosen = { x: "seconds", y: "bits_per_byte", log: false };

function axis() {
  const { xs, ...rest } = AXES[chosen.x];
  return { xs, x: { ...rest, log: chosen.log, first: xs.find((x) => x > 0) ?? 1 } };
}
function after(step, xs) {  // where on the axis the run was when `step` steps were taken
  const i = taken.findLastIndex((each) => each <= step);
  return i < 0 ? 0 : xs[i];
}
function said(at) {
  const names = ["step", "seconds", ...(run.tokens_per_step ? ["tokens"] : []), ...(run.flops_per_token ? ["flops"] : [])];
  return names.map((name) => AXES[name].say(AXES[name].xs[at])).join(" · ");
}

// The plots ------------------------------------------------------------------------------------------------------

const window_ = Math.max(3, Math.round(taken.length / 40) | 1);
const smoothed = Object.fromEntries(["bits_per_byte", "loss", "gradient_norm", "tokens_per_second", "mfu"]
  .map((name) => [name, smooth(steps[name], window_)]));
const three = (value) => value === null || value === undefined ? "–" : value.toFixed(3);

function heldOut(xs) {
  return run.sources.map((source) => ({
    colour: sourceColour(source), shape: sourceShape(source), name: source,
    points: [
      ...measures.filter((each) => typeof each.bits_per_byte[source] === "number").map((each) => ({
        x: after(each.step, xs), y: each.bits_per_byte[source],
        title: `${source}: ${three(each.bits_per_byte[source])} bits per byte after step ${each.step}` })),
      ...[run.final[source]].filter((each) => typeof each?.bits_per_byte === "number").map((each) => ({
        x: xs.at(-1), y: each.bits_per_byte, whole: true, ...(typeof each.low === "number" && typeof each.high === "number" ? { low: each.low, high: each.high } : {}),
        title: `${source}: ${three(each.bits_per_byte)} bits per byte on all the held-out text, at the end` })),
    ],
  })).filter((each) => each.points.length);
}

const PANELS = {
  curve() {
    const { xs, x } = axis(), bits = chosen.y === "bits_per_byte", unit = bits ? "bits per byte" : "nats per token";
    return { xs, x, label: unit, colour: "var(--training)", raw: steps[chosen.y], line: smoothed[chosen.y], format: (y) => String(+y.toFixed(4)),
      marks: bits ? heldOut(xs) : [], hint: "Point at a curve, or go along it with the arrow keys, to read its values.",
      read: (at) => `${said(at)}: training ${three(smoothed[chosen.y][at])} ${unit} (this step ${three(steps[chosen.y][at])})${bits ? before(taken[at]) : ""}` };
  },
  rate() {
    const { xs, x } = axis();
    return { xs, x, label: "share of the peak learning rate", colour: "var(--training)", line: steps.scale, zero: true, format: (y) => String(+y.toFixed(2)),
      read: (at) => `${said(at)}: ${three(steps.scale[at])} of the peak` };
  },
  norm() {
    const { xs, x } = axis();
    return { xs, x, label: "norm of the gradient", colour: "var(--training)", raw: steps.gradient_norm, line: smoothed.gradient_norm, zero: true, format: (y) => String(+y.toFixed(3)),
      read: (at) => `${said(at)}: ${three(smoothed.gradient_norm[at])} (this step ${three(steps.gradient_norm[at])})` };
  },
  rapid() {
    const { xs, x } = axis(), last = steps.mfu.findLastIndex((each, i) => each > 0 && steps.tokens_per_second[i] > 0);
    return { xs, x, label: "tokens per second", colour: "var(--training)", raw: steps.tokens_per_second, line: smoothed.tokens_per_second, zero: true, format: (y) => terse(y),
      right: last < 0 ? null : { label: "MFU", factor: steps.mfu[last] / steps.tokens_per_second[last], format: (y) => `${(100 * y).toFixed(0)} %` },
      read: (at) => `${said(at)}: ${figures(smoothed.tokens_per_second[at] ?? 0)} tokens per second${smoothed.mfu[at] ? `, MFU ${(100 * smoothed.mfu[at]).toFixed(0)} %` : ""}` };
  },
};
function before(step) {
  const last = measures.findLast((each) => each.step <= step);
  return last ? `; held out after step ${last.step}: ${run.sources.filter((source) => typeof last.bits_per_byte[source] === "number").map((source) => `${source} ${three(last.bits_per_byte[source])}`).join(", ")}` : "";
}

for (const picture of document.querySelectorAll(".legend svg")) {
  const source = picture.dataset.source, colour = source === undefined ? "var(--training)" : sourceColour(source);
  picture.append(source === undefined ? element(picture, "path", { d: "M0,6H24", "stroke-width": 2, colour })
    : element(picture, "path", { class: "mark", d: SHAPES[sourceShape(source)], transform: "translate(12,6)", colour }));
}
const plots = [];
const moved = (at) => plots.forEach((plot) => plot.move(at));
for (const figure of document.querySelectorAll("figure[data-plot]")) plots.push(new Plot(figure, PANELS[figure.dataset.plot], moved));
for (const input of document.querySelectorAll(".controls input")) {
  input.addEventListener("change", () => {
    chosen[input.name] = input.type === "checkbox" ? input.checked : input.value;
    plots.forEach((plot) => plot.draw());
  });
}

// Samples along training: one at a time, by a slider -------------------------------------------------------------

for (const course of document.querySelectorAll(".course")) {
  const items = [...course.querySelectorAll("li")], slider = course.querySelector("input"), label = course.querySelector("output");
  if (items.length < 2) continue;
  slider.max = items.length - 1;
  slider.value = items.length - 1;
  const show = () => {
    items.forEach((item, i) => { item.hidden = i !== Number(slider.value); });
    label.textContent = items[slider.value].dataset.when;
    slider.setAttribute("aria-valuetext", items[slider.value].dataset.when);
  };
  slider.addEventListener("input", show);
  course.querySelector(".browse").hidden = false;
  course.classList.add("browsed");
  show();
}

// Copying --------------------------------------------------------------------------------------------------------

function curveRows(columns) {
  const names = Object.keys(columns), held = run.sources.map((source) => `held out ${source}`);
  const measured = new Map(measures.map((each) => [each.step, each.bits_per_byte]));
  const row = (step, i) => [step, seconds[i], tokens[i], AXES.flops.xs[i], ...names.map((name) => columns[name][i]),
    ...run.sources.map((source) => measured.get(step)?.[source])];
  return [["step", "seconds", "tokens", "FLOP", ...names, ...held],
    ...[...new Set([...taken, ...measured.keys()])].sort((a, b) => a - b).map((step) => row(step, taken.indexOf(step)))];
}
const CURVES = {
  curve: () => curveRows({ "training loss, nats per token": steps.loss, "training bits per byte": steps.bits_per_byte }),
  rate: () => curveRows({ "share of the peak learning rate": steps.scale }),
  norm: () => curveRows({ "norm of the gradient": steps.gradient_norm }),
  rapid: () => curveRows({ "tokens per second": steps.tokens_per_second, MFU: steps.mfu }),
};
offer(CURVES);
