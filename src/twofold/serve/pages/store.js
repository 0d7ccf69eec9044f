// Where conversations are kept: this browser's IndexedDB, or, where it gives none, this tab's memory. Titles are apart from
// the conversations, which grow large with the alternatives of every token.

let opened = null;
const memory = new Map();

export async function lasts() {
  return Boolean(await database());
}

function database() {
  opened ??= new Promise((done) => {
    let request;
    try { request = indexedDB.open("twofold", 1); } catch { done(null); return; }
    request.onupgradeneeded = () => {
      request.result.createObjectStore("list", { keyPath: "id" });
      request.result.createObjectStore("talks", { keyPath: "id" });
    };
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close();
      done(request.result);
    };
    request.onerror = request.onblocked = () => done(null);
  });
  return opened;
}

async function within(mode, work) {
  const base = await database();
  return new Promise((done, failed) => {
    const transaction = base.transaction(["list", "talks"], mode);
    const request = work(transaction.objectStore("list"), transaction.objectStore("talks"));
    transaction.oncomplete = () => done(request?.result);
    transaction.onabort = transaction.onerror = () => failed(new Error(transaction.error?.name === "QuotaExceededError"
      ? "this browser has no room for more; export and delete some conversations" : `the browser did not keep it (${transaction.error?.name})`));
  });
}

const entry = ({ id, title, updated }) => ({ id, title, updated });
const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("twofold");

export function watch(changed) {
  channel?.addEventListener("message", ({ data }) => changed(data));
}

export async function list() {
  const all = await database() ? await within("readonly", (titles) => titles.getAll()) : [...memory.values()].map(entry);
  return all.sort((a, b) => b.updated - a.updated);
}

export async function load(id) {
  return await database() ? within("readonly", (_, talks) => talks.get(id)) : structuredClone(memory.get(id));
}

export async function loadAll() {
  return await database() ? within("readonly", (_, talks) => talks.getAll()) : [...memory.values()];
}

export async function save(talk) {
  if (!await database()) { memory.set(talk.id, structuredClone(talk)); return; }
  await within("readwrite", (titles, talks) => { titles.put(entry(talk)); return talks.put(talk); });
  channel?.postMessage(talk.id);
}

export async function remove(id) {
  if (!await database()) { memory.delete(id); return; }
  await within("readwrite", (titles, talks) => { titles.delete(id); return talks.delete(id); });
  channel?.postMessage(id);
}
