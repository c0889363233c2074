// Short messages at the foot of the page, some with a link or a button. They leave by themselves.
import { button, h, say } from "../core/dom.js";

const STAYS_MS = 12_000;

/** @type {HTMLElement | null} */
let place = null;

function region() {
  if (!place?.isConnected) {
    place = h("section", { class: "toasts no-print", "aria-label": "Messages" });
    document.body.append(place);
  }
  return place;
}

/**
 * Shows a message, and announces it. `link` leads on; `undo` takes the change back. A fault stays until it is dismissed.
 *
 * @param {string} text
 * @param {{fault?: boolean, link?: {text: string, href: string} | null, undo?: (() => unknown) | null}} [more]
 */
export function toast(text, { fault = false, link = null, undo = null } = {}) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const leave = () => {
    clearTimeout(timer);
    line.remove();
  };
  const wait = () => {
    clearTimeout(timer);
    if (!fault) timer = setTimeout(() => (line.matches(":hover, :focus-within") ? wait() : leave()), STAYS_MS);
  };
  const line = h(
    "div",
    { class: "toast", "data-fault": fault },
    h("p", {}, text),
    link && h("a", { href: link.href, on: { click: leave } }, link.text),
    undo && button("Undo", () => { leave(); undo(); }, { kind: "small" }),
    button("Dismiss", leave, { kind: "quiet small", "aria-label": `Dismiss: ${text}` }),
  );
  region().append(line);
  while (region().childElementCount > 3) region().firstElementChild?.remove();
  say(text);
  wait();
}
