// The filters above the leads. The page's address has their values.
import { get } from "../core/api.js";
import { button, debounce, h, setText } from "../core/dom.js";
import { named, ownerName } from "../core/format.js";
import { vocabulary } from "../core/vocabulary.js";

const SCORES = ["10", "25", "50", "70", "90"];
const NAMES = ["q", "status", "source", "assignedTo", "minScore", "attribute", "from", "to"];
const TYPING_MS = 250;

/**
 * @param {URLSearchParams} query
 * @returns {Record<string, string>}
 */
export const filtersOf = (query) => Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? ""]));

/** @param {Record<string, string>} filters */
export const isFiltered = (filters) => NAMES.some((name) => filters[name]);

/**
 * The owners of leads, to choose from. A user without the right to read figures gets none.
 *
 * @param {Me} me
 */
export async function owners(me) {
  if (!me.scopes.includes("analytics:read")) return [];
  const { byOwner } = await get("/v1/analytics/leads?timeframe=quarter").catch(() => ({ byOwner: {} }));
  return Object.keys(byOwner).filter((name) => name !== "(none)").sort((a, b) => a.localeCompare(b));
}

export class Filters {
  /** @type {(HTMLInputElement | HTMLSelectElement)[]} */
  #controls;
  /** @type {() => void} */
  #changed;

  /**
   * `changed(filters)` is called with all of them, once typing has paused.
   *
   * @param {Record<string, string>} filters
   * @param {Me} me
   * @param {(filters: Record<string, string>) => void} changed
   */
  constructor(filters, me, changed) {
    this.#changed = () => {
      this.#count();
      changed(this.values);
    };
    const typed = debounce(this.#changed, TYPING_MS);
    const search = h("input", {
      type: "search", id: "q", name: "q", value: filters.q, autocomplete: "off", spellcheck: "false",
      placeholder: "Name, company, e-mail or phone", on: { input: typed },
    });
    const owner = choice("assignedTo", "Owner", [...new Set(["(none)", filters.assignedTo])].filter(Boolean).map((one) => [one, ownerName(one)]));
    this.#controls = [
      search,
      choice("status", "Status", vocabulary.statuses.map((one) => [one, named(one)])),
      choice("source", "Source", vocabulary.sources.map((one) => [one, named(one)])),
      owner,
      choice("minScore", "Score", SCORES.map((one) => [one, `${one} or more`])),
      ...attributes(),
      day("from", "Captured from"),
      day("to", "Captured until"),
    ];
    for (const control of this.#controls.slice(1)) {
      control.value = filters[control.name];
      control.addEventListener("change", this.#changed);
    }
    this.toggle = button("Filters", () => this.#turn(), { kind: "filters-turn", icon: "filter", "aria-expanded": "false", "aria-controls": "filters" });
    this.clear = button("Clear", () => this.reset(), { kind: "quiet" });
    this.element = h(
      "form",
      { class: "filters no-print", role: "search", on: { submit: (event) => event.preventDefault() } },
      h("div", { class: "search" }, h("label", { for: "q", class: "out-of-sight" }, "Search leads"), search, this.toggle),
      h("div", { class: "choices", id: "filters" }, this.#controls.slice(1).map(labelled), this.clear),
    );
    this.#count();
    owners(me).then((names) => fill(owner, names));
  }

  /** @returns {Record<string, string>} */
  get values() {
    return Object.fromEntries(this.#controls.map((one) => [one.name, one.value.trim()]));
  }

  reset() {
    for (const control of this.#controls) control.value = "";
    this.#controls[0].focus();
    this.#changed();
  }

  #turn() {
    const open = this.element.classList.toggle("open");
    this.toggle.setAttribute("aria-expanded", String(open));
  }

  #count() {
    const set = this.#controls.slice(1).filter((one) => one.value).length;
    setText(/** @type {Node} */ (this.toggle.lastChild), set ? `Filters (${set})` : "Filters");
    this.clear.hidden = !isFiltered(this.values);
    for (const control of this.#controls.slice(1)) control.classList.toggle("set", Boolean(control.value));
  }
}

/**
 * @param {string} name
 * @param {string} label
 * @param {[value: string, text: string][]} options
 */
function choice(name, label, options) {
  return h("select", { name, id: `filter-${name}`, "data-label": label }, h("option", { value: "" }, "Any"), options.map(option));
}

/** The attributes that are a choice, all in one control; none if none is declared. */
function attributes() {
  const choices = vocabulary.attributes.filter((one) => one.type === "choice");
  if (choices.length === 0) return [];
  const control = choice("attribute", "Business details", []);
  control.append(...choices.map((one) => h("optgroup", { label: one.label }, one.choices.map((word) => option([`${one.name}:${word}`, named(word)])))));
  return [control];
}

/**
 * @param {string} name
 * @param {string} label
 */
const day = (name, label) => h("input", { type: "date", name, id: `filter-${name}`, "data-label": label });

/** @param {[value: string, text: string]} pair */
const option = ([value, text]) => h("option", { value }, text);

/** @param {HTMLElement} control */
const labelled = (control) => h("div", { class: "choice" }, h("label", { for: control.id }, control.dataset.label), control);

/**
 * @param {HTMLSelectElement} control
 * @param {string[]} names
 */
function fill(control, names) {
  const there = new Set([...control.options].map((one) => one.value));
  control.append(...names.filter((one) => !there.has(one)).map((one) => option([one, one])));
}
