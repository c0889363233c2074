// The evidence of a rule's points, in words.
import { counted, named, number, sentenceCase, when } from "../core/format.js";

const MOMENT = /^\d{4}-\d\d-\d\dT/;
const WORD = /^[a-z]+(_[a-z]+)*$/;

/**
 * The points of activities have evidence of their own, which is no part of the lead.
 *
 * @type {Record<string, (found: any) => string>} each rule has evidence of its own form
 */
const ACTIVITIES = {
  // @ts-expect-error: sets the prototype
  __proto__: null,
  "activity.recent": ({ completions, earliest }) => `${number(completions)} completed within 30 days, ${completions === 1 ? "on" : "the earliest on"} ${when(earliest)}`,
  "activity.email": ({ count }) => counted(count, "e-mail"),
  "activity.call": ({ count }) => counted(count, "call"),
  "activity.meeting": ({ count }) => counted(count, "meeting"),
};

/**
 * One line; empty if the lead has none of the rule's fields.
 *
 * @param {string} rule
 * @param {Record<string, unknown>} found
 */
export function evidenceOf(rule, found = {}) {
  return ACTIVITIES[rule]?.(found) ?? leaves(found).map(([path, value]) => `${words(path)}: ${said(value)}`).join(" · ");
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
const isPart = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/**
 * @param {Record<string, unknown>} part
 * @param {string[]} before
 * @returns {[path: string[], value: unknown][]}
 */
function leaves(part, before = []) {
  return Object.entries(part).flatMap(([name, value]) => (isPart(value) ? leaves(value, [...before, name]) : [[[...before, name], value]]));
}

/** @param {string[]} path */
const words = (path) => sentenceCase(path.join(" ").replaceAll(/([a-z])([A-Z])/g, "$1 $2").replaceAll("_", " ").toLowerCase());

/**
 * @param {unknown} value
 * @returns {string}
 */
function said(value) {
  if (Array.isArray(value)) return value.map(said).join(", ");
  if (typeof value === "number") return number(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  const text = String(value);
  if (MOMENT.test(text)) return when(text);
  return WORD.test(text) ? named(text) : text;
}
