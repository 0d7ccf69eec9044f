// The pad: a pen moved by mouse, finger, stylus or keyboard. It keeps strokes, [[[x, y], …], …] from 0 to 1, and an image
// that may lie under them.

import { paint } from "./colours.js";
import { h } from "../dom.js";

const WIDTH = 560, PEN = 0.075, NEAR = 0.012, STEP = 1 / 28, MOST = 1500;
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Pad {
  constructor(changed) {
    this.changed = changed;
    this.strokes = [];
    this.under = null;
    this.pen = { x: 0.3, y: 0.2, down: false, shown: false };
    this.canvas = h("canvas", { class: "pad", width: WIDTH, height: WIDTH, tabindex: 0, role: "application", "aria-describedby": "pad-keys",
      "aria-label": "Pad to draw a digit on" });
    this.keys = h("p", { class: "note", id: "pad-keys" }, "Draw with mouse, finger or stylus. By keyboard: arrows move the pen, Space puts it down and lifts it, Backspace takes a stroke back, Delete clears.");
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button > 0 || !event.isPrimary) return;
      canvas.setPointerCapture(event.pointerId);
      this.pen.shown = this.pen.down = false;
      this.begin(this.at(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!canvas.hasPointerCapture(event.pointerId)) return;
      const all = event.getCoalescedEvents?.() ?? [];
      for (const one of all.length ? all : [event]) this.go(this.at(one));
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => { this.pen.shown = false; this.draw(); });
  }

  at({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    return [clientX - box.left, clientY - box.top].map((value, i) => Math.max(0, Math.min(1, value / (i ? box.height : box.width))));
  }

  begin(point) {
    this.under = null;
    this.strokes.push([point]);
    this.tell();
  }

  go(point) {
    const stroke = this.strokes.at(-1), [x, y] = stroke.at(-1);
    if (Math.hypot(point[0] - x, point[1] - y) < NEAR || this.strokes.reduce((sum, one) => sum + one.length, 0) >= MOST) return;
    stroke.push(point);
    this.tell();
  }

  key(event) {
    const { pen } = this, move = MOVES[event.key];
    if (move) {
      pen.shown = true;
      pen.x = Math.max(0, Math.min(1, pen.x + STEP * move[0]));
      pen.y = Math.max(0, Math.min(1, pen.y + STEP * move[1]));
      if (pen.down) this.go([pen.x, pen.y]); else this.draw();
    } else if (event.key === " ") {
      pen.shown = true;
      pen.down = !pen.down;
      if (pen.down) this.begin([pen.x, pen.y]); else this.draw();
    } else if (event.key === "Backspace") this.undo();
    else if (event.key === "Delete") this.clear();
    else return;
    event.preventDefault();
  }

  undo() {
    this.under = null;
    this.pen.down = false;
    this.strokes.pop();
    this.tell();
  }

  clear() {
    this.under = null;
    this.pen.down = false;
    this.strokes = [];
    this.tell();
  }

  /** An image instead of strokes. */
  show(pixels) {
    this.strokes = [];
    this.under = pixels;
    this.draw();
  }

  tell() {
    this.draw();
    this.changed();
  }

  draw() {
    const context = this.canvas.getContext("2d"), style = getComputedStyle(this.canvas);
    context.clearRect(0, 0, WIDTH, WIDTH);
    if (this.under) {
      const small = document.createElement("canvas");
      paint(small, this.under, Math.sqrt(this.under.length), "ink");
      context.imageSmoothingEnabled = false;
      context.drawImage(small, 0, 0, WIDTH, WIDTH);
    }
    Object.assign(context, { strokeStyle: style.color, fillStyle: style.color, lineWidth: PEN * WIDTH, lineCap: "round", lineJoin: "round" });
    for (const stroke of this.strokes) {
      context.beginPath();
      for (const [x, y] of stroke) context.lineTo(x * WIDTH, y * WIDTH);
      if (stroke.length === 1) context.lineTo(stroke[0][0] * WIDTH + 0.1, stroke[0][1] * WIDTH);
      context.stroke();
    }
    if (this.pen.shown) {
      Object.assign(context, { strokeStyle: style.outlineColor, lineWidth: 4 });
      context.beginPath();
      context.arc(this.pen.x * WIDTH, this.pen.y * WIDTH, PEN * WIDTH / (this.pen.down ? 2 : 1.2), 0, 7);
      context.stroke();
    }
  }
}
