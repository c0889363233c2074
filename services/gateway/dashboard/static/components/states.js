// Placeholders for data: a skeleton while it loads, a sentence if there is none, a button after an error.
import { sentence } from "../core/api.js";
import { button, h } from "../core/dom.js";

/**
 * @param {number} lines
 * @param {string} label
 */
export function skeleton(lines = 3, label = "Loading") {
  const bars = Array.from({ length: lines }, () => h("span", { class: "bone" }));
  return h("div", { class: "skeleton", role: "status" }, h("span", { class: "out-of-sight" }, `${label}…`), bars);
}

/**
 * @param {string} title
 * @param {string} [text]
 * @param {...Child} more
 */
export function empty(title, text, ...more) {
  return h("div", { class: "state" }, h("p", { class: "state-title" }, title), text && h("p", { class: "soft" }, text), more);
}

/**
 * @param {unknown} error
 * @param {() => unknown} again
 * @param {string} title
 */
export function failed(error, again, title = "This could not be loaded") {
  return h(
    "div",
    { class: "state", role: "alert" },
    h("p", { class: "state-title" }, title),
    h("p", { class: "soft" }, sentence(error)),
    again && button("Try again", again),
  );
}
