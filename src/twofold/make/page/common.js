// What every report does: it remembers the depth of explanation, and what is shown can be copied as data.

// Depth of explanation -------------------------------------------------------------------------------------------

function remembered(value) {
  try {
    if (value) localStorage.setItem("twofold-depth", value);
    return localStorage.getItem("twofold-depth");
  } catch { return null; }  // a browser may keep nothing for files
}
for (const choice of document.querySelectorAll("input[name=depth]")) {
  if (choice.value === remembered()) choice.checked = true;
  choice.addEventListener("change", () => remembered(choice.value));
}

// Copying --------------------------------------------------------------------------------------------------------

const quoted = (value) => /[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
const csv = (rows) => rows.map((row) => row.map((value) => quoted(value === null || value === undefined ? "" : String(value))).join(",")).join("\n") + "\n";

function tableRows(figure) {
  return [...figure.querySelectorAll("tr:not(.bar, .head)")].map((row) => [
    ...(figure.dataset.group ? [row.closest("thead") ? figure.dataset.group : row.dataset.group ?? ""] : []),
    ...[...row.cells].map((cell) => cell.dataset.value ?? cell.textContent.trim())]);
}

async function copy(text) {
  try { await navigator.clipboard.writeText(text); return true; } catch { /* not every browser lets a file do that */ }
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
function offer(curves) {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const label = button.textContent;
    button.addEventListener("click", async () => {
      const figure = button.closest("figure, .copyable");
      const text = button.dataset.copy === "text" ? figure.querySelector("pre").textContent
        : csv(figure.dataset.plot ? curves[figure.dataset.plot]() : tableRows(figure));
      button.textContent = await copy(text) ? "Copied" : "Could not copy";
      setTimeout(() => { button.textContent = label; }, 1500);
    });
  }
}
