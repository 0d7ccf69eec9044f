// What the page does once it is open: draws the curves.

const run = JSON.parse(document.getElementById("run").textContent);
const axis = (rows) => ({ xs: rows.map(([step]) => step), x: { label: "steps", ticks, format: (x) => terse(x), log: false, first: 1 } });
const hint = "Point at the curve, or go along it with the arrow keys, to read its values.";
const PANELS = {
  cost: () => ({ ...axis(run.costs), label: "cost of an image", colour: "var(--training)", line: run.costs.map(([, cost]) => cost),
    zero: true, format: (y) => String(+y.toFixed(4)), hint,
    read: (at) => `after step ${run.costs[at][0]}: ${run.costs[at][1].toFixed(4)}` }),
  accuracy: () => ({ ...axis(run.measured), label: "read right, %", colour: "var(--source-2)", line: run.measured.map(([, share]) => 100 * share),
    format: (y) => String(+y.toFixed(2)), hint,
    read: (at) => `after step ${run.measured[at][0]}: ${(100 * run.measured[at][1]).toFixed(1)} % of ${run.n}` }),
};
for (const figure of document.querySelectorAll("figure[data-plot]")) {
  const plot = new Plot(figure, PANELS[figure.dataset.plot], (at) => plot.move(at));
}
offer({
  cost: () => [["step", "cost"], ...run.costs],
  accuracy: () => [["step", "held-out accuracy"], ...run.measured],
});
