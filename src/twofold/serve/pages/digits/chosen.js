// What every picture of a network has: one neuron or map of it is chosen, by pointing at it or with the arrow keys.

const MOVES = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

export class Chooser {
  chosen = [1, 0]; // its layer, from 1, the first with weights, and its place there
  free = true; // until a reader has chosen

  /** `looked()` is called when another is chosen. */
  constructor(looked) { this.looked = looked; }

  /** `counts` has how many can be chosen in each layer; layers lie side by side, or one below the other. */
  listen(listbox, counts, below = false) {
    Object.assign(this, { listbox, last: counts.length, first: counts[0] });
    listbox.addEventListener("keydown", (event) => {
      const move = MOVES[event.key];
      if (!move) return;
      event.preventDefault();
      const [onward, along] = below ? move.toReversed() : move, [layer, i] = this.chosen;
      const goal = Math.max(1, Math.min(this.last, layer + onward)), most = counts[goal - 1] - 1;
      const moved = goal === layer ? i + along : Math.round(i * most / Math.max(1, counts[layer - 1] - 1));
      this.choose(goal, Math.max(0, Math.min(most, moved)));
    });
    this.choose(1, 0, false);
  }

  /** Let pointing at `element` choose it. */
  pointed(element, layer, i) {
    for (const kind of ["pointerenter", "pointerdown"]) element.addEventListener(kind, () => this.choose(layer, i));
    return element;
  }

  choose(layer, i, tell = true) {
    this.mark(...this.chosen, false);
    this.chosen = [layer, i];
    this.mark(layer, i, true);
    this.listbox.setAttribute("aria-activedescendant", this.option(layer, i).id);
    if (!tell) return;
    this.free = false;
    this.looked();
  }

  mark(layer, i, on) {
    this.option(layer, i).setAttribute("aria-selected", String(on));
    this.option(layer, i).classList.toggle("chosen", on);
  }

  /** Where nobody has chosen: the one of the first layer that has most to say. */
  suggest(values) {
    const shown = values.slice(0, this.first);
    if (this.free) this.choose(1, shown.indexOf(Math.max(...shown)), false);
  }
}
