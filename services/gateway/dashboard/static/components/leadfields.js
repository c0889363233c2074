// The fields of a lead that users edit: how the dialog shows each, and what it sends.
import { named } from "../core/format.js";
import { vocabulary } from "../core/vocabulary.js";

/** @param {string} text */
export const lines = (text) => text.split("\n").map((one) => one.trim()).filter(Boolean);

/** @param {unknown} value */
export const isEmpty = (value) => value === "" || value === null || value === undefined || (typeof value === "object" && Object.keys(value).length === 0);

/** @param {string} text */
export const amount = (text) => (text === "" ? null : Number(text));

/** @type {(word: string) => [value: string, text: string]} */
export const option = (word) => [word, named(word)];

/** @type {[value: string, text: string]} */
const UNKNOWN = ["", "Not known"];

// 50 lines of 200 characters.
const LIST_MAX = 50 * 201;
const ZONES = Intl.supportedValuesOf("timeZone");

/** @typedef {FieldSpec & {path: string, read?: (text: string) => unknown}} Editable */

/**
 * How the dialog asks for an attribute of a type.
 *
 * @type {Record<Schemas["AttributeType"], (choices: string[]) => Partial<Editable>>}
 */
const ASKED = {
  text: () => ({}),
  number: () => ({ type: "number", step: "any", read: amount }),
  date: () => ({ type: "date" }),
  boolean: () => ({ type: "select", options: [UNKNOWN, ["true", "Yes"], ["false", "No"]], read: (text) => (text === "" ? null : text === "true") }),
  choice: (choices) => ({ type: "select", options: [UNKNOWN, ...choices.map(option)] }),
};

/** @type {Editable[]} */
const ATTRIBUTES = vocabulary.attributes.filter(({ asked }) => asked.includes("lead")).map(({ name, label, type, unit, choices }) => (
  { path: `attributes.${name}`, name: `attribute-${name}`, label: unit ? `${label} ${unit}` : label, half: true, ...ASKED[type](choices) }
));

/**
 * The fields of the dialog that edits a lead, each with its path in the lead.
 *
 * @type {Editable[]}
 */
const EDITABLE = [
  { path: "contact.firstName", name: "firstName", label: "First name", required: true, half: true },
  { path: "contact.lastName", name: "lastName", label: "Last name", required: true, half: true },
  { path: "contact.title", name: "title", label: "Title", half: true },
  {
    path: "contact.timeZone", name: "timeZone", label: "Time zone", list: ZONES, half: true,
    validate: (value) => (value === "" || ZONES.includes(value) ? null : "Choose a time zone, like America/Chicago."),
  },
  { path: "contact.email", name: "email", label: "E-mail", half: true },
  { path: "contact.phone", name: "phone", label: "Phone", half: true },
  { path: "company.name", name: "company", label: "Company", required: true },
  { path: "company.industry", name: "industry", label: "Industry", half: true },
  { path: "company.size", name: "size", label: "Company size", type: "select", options: [UNKNOWN, ...vocabulary.companySizes.map(option)], half: true },
  { path: "company.website", name: "website", label: "Website", half: true, max: 4000 },
  { path: "company.annualRevenue", name: "annualRevenue", label: "Annual revenue", type: "number", min: 0, step: "any", half: true, read: amount },
  { path: "company.address.street", name: "street", label: "Street", half: true },
  { path: "company.address.city", name: "city", label: "City", half: true },
  { path: "company.address.region", name: "region", label: "State or region", half: true },
  { path: "company.address.postalCode", name: "postalCode", label: "Postal code", half: true },
  { path: "company.address.country", name: "country", label: "Country", half: true },
  ...ATTRIBUTES,
  { path: "requirements.budget", name: "budget", label: "Budget", type: "number", min: 0, step: "any", half: true, read: amount },
  { path: "requirements.timeline", name: "timeline", label: "Timeline", half: true, max: 4000 },
  { path: "requirements.currentSolution", name: "currentSolution", label: "Current solution", type: "textarea", rows: 2, max: 4000 },
  { path: "requirements.decisionMakers", name: "decisionMakers", label: "Decision makers", type: "textarea", rows: 2, max: LIST_MAX, hint: "One per line.", read: lines },
  { path: "requirements.painPoints", name: "painPoints", label: "Pain points", type: "textarea", rows: 2, max: LIST_MAX, hint: "One per line.", read: lines },
];

/**
 * The lead's value at a path, as a field of the dialog shows it.
 *
 * @param {Lead} lead
 * @param {string} path
 */
function current(lead, path) {
  /** @type {unknown} */
  let value = lead;
  for (const name of path.split(".")) value = /** @type {Record<string, unknown> | null | undefined} */ (value)?.[name];
  return Array.isArray(value) ? value.join("\n") : String(value ?? "");
}

/**
 * A value as its field gives it back: a field of one line drops the ends of lines.
 *
 * @param {FieldSpec} spec
 * @param {string} value
 */
const asShown = ({ type }, value) => value.replaceAll(/\r\n?/g, "\n").replaceAll(type === "textarea" ? "" : "\n", "").trim();

/**
 * The fields of the dialog, with the lead's values. A stored word that is no choice any more stays one for this lead.
 *
 * @param {Lead} lead
 * @returns {FieldSpec[]}
 */
export const editedFields = (lead) => EDITABLE.map(({ path, read, options, ...spec }) => {
  const value = current(lead, path);
  const known = !options || options.some(([one]) => one === value);
  return { ...spec, value, options: known ? options : [...options, option(value)] };
});

/**
 * The paths whose values the dialog has changed; null empties one.
 *
 * @param {Lead} lead
 * @param {FormValues} values
 * @returns {Record<string, unknown>}
 */
export function edits(lead, values) {
  const changed = EDITABLE.filter((spec) => String(values[spec.name]) !== asShown(spec, current(lead, spec.path)));
  return Object.fromEntries(changed.map(({ path, name, read }) => {
    const value = read ? read(values[name]) : values[name];
    return [path, isEmpty(value) ? null : value];
  }));
}
