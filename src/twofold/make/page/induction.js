// What the page does once it is open: draws the curves.

const run = JSON.parse(document.getElementById("run").textContent);
const hint = "Point at a curve, or go along it with the arrow keys, to read its values.";
const colours = (i) => `var(--source-${i % 6 + 1})`;
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const share = (value) => `${(100 * value).toFixed(0)} %`;

// Series [{name, points: [[step, value]]}] as threads of marks, with their mean, or a level, as the line.
function panel(series, label, { format, level = null }) {
  const steps = series[0].points.map(([step]) => step);
  const line = steps.map((_, i) => level ? level.value : mean(series.map((each) => each.points[i][1])));
  return {
    xs: steps, x: { label: "steps", ticks, format: (x) => terse(x), log: false, first: 1 }, label, colour: "var(--training)", line, zero: true,
    format: (y) => format(y), hint,
    marks: series.map((each, i) => ({ colour: colours(i), shape: i % SHAPES.length,
      points: each.points.map(([x, y]) => ({ x, y, title: `${each.name}, step ${x}: ${format(y)}` })) })),
    read: (at) => [`step ${steps[at]}`, ...series.map((each) => `${each.name} ${format(each.points[at][1])}`),
      ...(level ? [`${level.name} ${format(level.value)}`] : [])].join(" · "),
  };
}
const PANELS = Object.fromEntries(Object.entries(run.plots).map(([name, { series, label, level, shares }]) =>
  [name, () => panel(series, label, { format: shares ? share : (y) => String(+y.toFixed(2)), level })]));

for (const figure of document.querySelectorAll("figure[data-plot]")) {
  for (const [i, svg] of [...figure.querySelectorAll(".legend svg")].entries()) {
    svg.append(element(svg, "path", { class: "thread", d: "M0,6H24", colour: colours(i) }),
      element(svg, "path", { class: "mark", d: SHAPES[i % SHAPES.length], colour: colours(i), transform: "translate(12,6)" }));
  }
  const plot = new Plot(figure, PANELS[figure.dataset.plot], (at) => plot.move(at));
}
offer(Object.fromEntries(Object.entries(run.plots).map(([name, { series }]) =>
  [name, () => [["step", ...series.map((each) => each.name)], ...series[0].points.map(([step], i) => [step, ...series.map((each) => each.points[i][1])])]])));
