// The page of the digits: a network that reads what one draws, and one that learns to. #/digits/learn is the second.

import { whenColoursChange } from "./colours.js";
import { h, press } from "../dom.js";

const VIEWS = [["draw", "Draw"], ["learn", "Learn"]];

export async function open(element, shell) {
  const page = new Page(element, shell);
  page.begin();
  return () => page.leave();
}

/** A name for this tab, by which the server knows which network is its own. */
function client() {
  let name = sessionStorage.getItem("twofold-digits");
  if (!/^[0-9a-f]{32}$/.test(name ?? "")) {
    name = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    sessionStorage.setItem("twofold-digits", name);
  }
  return name;
}

class Page {
  constructor(element, shell) {
    Object.assign(this, { element, shell, server: shell.server, client: client() });
    this.leaving = new AbortController();
    this.notice = h("div", { class: "notice", role: "alert" });
    this.body = h("div", {}, h("p", { class: "note" }, "Reading the images…"));
    const current = location.hash.split("/")[2] || "draw";
    this.kind = VIEWS.some(([name]) => name === current) ? current : "draw";
    const links = VIEWS.map(([name, words]) => h("a", { href: `#/digits/${name}`, "aria-current": name === this.kind ? "page" : null }, words));
    element.append(h("header", { class: "views-head" }, h("h1", {}, this.kind === "draw" ? "A network that reads digits" : "A network that learns to read"), h("nav", { "aria-label": "Views" }, ...links)), this.notice, this.body);
    document.getElementById("model").hidden = true;
    whenColoursChange(() => this.view?.colours(), this.leaving.signal);
  }

  leave() {
    this.left = true;
    this.leaving.abort();
    this.view?.leave();
  }

  begin() {
    this.view?.leave();
    return this.attempt(async () => {
      this.about = await this.server.json("digits/about");
      this.network = this.about.networks.find(({ name }) => name === sessionStorage.getItem("twofold-digits-network"))?.name ?? this.about.networks[0].name;
      const { DrawView, LearnView } = await import(`./${this.kind}.js`);
      if (this.left) return;
      this.view = new (DrawView ?? LearnView)(this);
      this.body.replaceChildren(this.view.element);
      await this.view.open();
      this.tell("");
    });
  }

  /** Do it, and tell what went wrong. */
  async attempt(work) {
    try { return await work(); } catch (error) { this.trouble(error); return null; }
  }

  tell(words, ...more) { this.notice.replaceChildren(...(words ? [h("p", {}, words), ...more] : [])); }

  trouble(error) {
    if (this.left || error.name === "AbortError") return;
    if (error.kind === "key") {
      const field = h("input", { type: "password", "aria-label": "API key", autocomplete: "off" });
      this.tell(error.message, h("form", { onsubmit: (event) => { event.preventDefault(); this.server.useKey(field.value.trim()); this.begin(); } }, field, " ", h("button", {}, "Use this key")));
      return;
    }
    if (!error.kind) console.error(error);
    this.tell(error.message, press("Try again", () => this.begin()));
  }
}
