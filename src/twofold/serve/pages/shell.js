// The shell: which page is shown (manifest.json lists them, #/NAME names one), which model is asked, what is said aloud.
//
// A page is a module with `open(place, shell, about)`, which fills the element `place` and returns what to call when it is left;
// `about` is its line in the manifest.

import { Server, Trouble } from "./api.js";
import { h, press } from "./dom.js";
import { recall, remember } from "./explain.js";

const main = document.getElementById("content"), said = document.getElementById("said");
const picker = document.getElementById("model"), select = picker.querySelector("select");

class Shell extends EventTarget {
  server = new Server();
  models = [];
  model = null;

  /** For who listens to the page; shown nowhere. */
  say(words) {
    said.textContent = "";
    requestAnimationFrame(() => { said.textContent = words; });
  }

  /** Raises Trouble. Dispatches "model" when the chosen one is another than before. */
  async findModels() {
    const { data } = await this.server.json("v1/models");
    this.models = (Array.isArray(data) ? data : []).filter((one) => typeof one?.id === "string");
    if (!this.models.length) throw new Trouble("failed", "The server has no model.");
    select.replaceChildren(...this.models.map((one) => h("option", { value: one.id }, one.id)));
    picker.hidden = false;
    select.disabled = this.models.length < 2;
    this.choose(this.model?.id ?? recall("model"));
  }

  choose(name) {
    const before = this.model;
    this.model = this.models.find((one) => one.id === name) ?? this.models[0] ?? null;
    if (this.model) select.value = this.model.id;
    if (before !== this.model) this.dispatchEvent(new Event("model"));
  }
}

select.addEventListener("change", () => {
  remember("model", select.value);
  shell.choose(select.value);
});

// Pages

const shell = new Shell();
let pages = [], leave = null, turn = 0;

function failed(title, why) {
  main.replaceChildren(h("div", { class: "page" }, h("h1", {}, title), h("p", {}, why), press("Try again", () => location.reload())));
}

async function show() {
  if (location.hash && !location.hash.startsWith("#/")) return; // a place in the page, not a page
  const name = location.hash.slice(2).split("/")[0] || pages[0].name, page = pages.find((one) => one.name === name), mine = turn += 1;
  leave?.();
  leave = null;
  for (const link of document.querySelectorAll("#pages a")) link.toggleAttribute("aria-current", link.dataset.name === name);
  for (const link of document.querySelectorAll("#pages a[aria-current]")) link.setAttribute("aria-current", "page");
  if (!page) { failed("There is no such page", `“${name}” is not among ${pages.map((one) => one.title).join(", ")}.`); return; }
  document.title = `${page.title} · twofold`;
  if (page.style && !document.querySelector(`link[href="pages/${page.style}"]`)) {
    await new Promise((loaded) => { document.head.append(h("link", { rel: "stylesheet", href: `pages/${page.style}`, onload: loaded, onerror: loaded })); });
  }
  try {
    const { open } = await import(`./${page.module}`);
    if (mine !== turn) return;
    const place = h("div", { class: `${page.name}-page` });
    main.replaceChildren(place);
    leave = await open(place, shell, page);
  } catch (error) {
    console.error(error);
    failed("This page could not be opened", `${error.message}.`);
  }
}

try {
  pages = await (await shell.server.ask("pages/manifest.json")).json();
  const links = pages.map((page) => h("a", { href: `#/${page.name}`, "data-name": page.name }, page.title));
  document.getElementById("pages").append(...(links.length > 1 ? links : []));
  addEventListener("hashchange", show);
  await show();
} catch (error) {
  failed("The server does not answer", error.message);
}
