// Badges that several pages show: a lead's status and its score.
import { h } from "../core/dom.js";
import { named } from "../core/format.js";

/** @param {string} status */
export const statusBadge = (status) => h("span", { class: "badge", "data-status": status }, named(status));

/** @param {number | null | undefined} score */
export function scoreMeter(score) {
  if (score === undefined || score === null) return h("span", { class: "soft", title: "Not scored yet" }, "–");
  return h(
    "span",
    { class: "meter" },
    h("span", { class: "meter-value" }, String(score)),
    h("span", { class: "meter-track", "aria-hidden": "true" }, h("span", { class: "meter-bar", style: { width: `${score}%` } })),
  );
}
