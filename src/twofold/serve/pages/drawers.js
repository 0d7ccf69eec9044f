// Where there is no room beside the thread, the list opens from the left and the next token from below.

import { h } from "./dom.js";

export function drawers(list, side) {
  const tools = h("span", { class: "tools" });
  const openers = [[list, "Chats", "(max-width: 79.99rem)", "auto"], [side, "Token", "(max-width: 59.99rem)", "manual"]].map(([element, words, narrow, kind]) => {
    const button = h("button", { type: "button", "aria-controls": element.id, onclick: () => element.togglePopover() }, words);
    const query = matchMedia(narrow);
    const fit = () => {
      button.hidden = !query.matches;
      if (query.matches) element.popover = kind; else element.removeAttribute("popover");
    };
    query.addEventListener("change", fit);
    fit();
    tools.append(button);
    return { element, leave: () => query.removeEventListener("change", fit) };
  });
  document.querySelector(".top nav").after(tools);
  return {
    /** True when there was something to close. */
    close() {
      const open = openers.filter(({ element }) => element.popover && element.matches(":popover-open"));
      for (const { element } of open) element.hidePopover();
      return open.length > 0;
    },
    openSide() {
      if (side.popover && !side.matches(":popover-open")) side.showPopover();
    },
    leave() {
      for (const opener of openers) opener.leave();
      tools.remove();
    },
  };
}
