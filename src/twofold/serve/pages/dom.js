// Building what is seen: elements and text only, so nothing that a model wrote can become markup.

// h("p", { class: "note", onclick: fn }, "text", child)
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (["value", "checked", "disabled", "htmlFor", "spellcheck"].includes(key)) element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const press = (words, onclick, more = {}) => h("button", { type: "button", onclick, ...more }, words);

// One of several, of which the chosen one is underlined. `options` is [[value, words], …].
export function choice(name, legend, options, chosen, changed) {
  return h("fieldset", { class: "choice" }, h("legend", { class: "unseen" }, legend), ...options.map(([value, words]) =>
    h("label", {}, h("input", { type: "radio", name, value, checked: value === chosen, onchange: () => changed(value) }), words)));
}

// 12.3k · 4.56M: three figures, as in the reports.
export function figures(value, scales = ["", "k", "M", "B", "T"]) {
  let step = 0;
  while (Math.abs(value) >= 999.5 && step < scales.length - 1) { value /= 1000; step += 1; }
  if (step === 0 && Number.isInteger(value)) return String(value);
  return value.toFixed(Math.max(0, Math.min(3, 2 - Math.floor(Math.log10(Math.abs(value) || 1))))) + scales[step];
}

// 62.1 %, 0.04 %, < 0.01 %
export function percent(p) {
  if (p > 0 && p < 0.0001) return "< 0.01 %";
  return `${(100 * p).toFixed(p < 0.01 && p > 0 ? 2 : p > 0.9995 ? 0 : 1)} %`;
}

export const count = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;

/** Calls `done` with the text at Enter, with null at Escape. */
export function entered(field, done) {
  field.addEventListener("keydown", (event) => {
    if (event.isComposing || (event.key !== "Escape" && (event.key !== "Enter" || event.shiftKey))) return;
    event.preventDefault();
    done(event.key === "Enter" ? field.value : null);
  });
  return field;
}

async function copy(text) {
  try { await navigator.clipboard.writeText(text); return true; } catch { /* only pages from this machine or over TLS may */ }
  const area = document.body.appendChild(h("textarea", { value: text }));
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

export function copyButton(words, text) {
  const button = press(words, async () => {
    button.textContent = await copy(text()) ? "Copied" : "Could not copy";
    setTimeout(() => { button.textContent = words; }, 1500);
  });
  return button;
}

export function download(name, text, type = "application/json") {
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
