// What a user may do with an activity: log it, change it, move it, complete it, cancel it.
import { localTime, named, personOf } from "../core/format.js";
import { vocabulary } from "../core/vocabulary.js";

/** @typedef {Schemas["ActivityView"]} Activity */

/** @type {(word: string) => [value: string, text: string]} */
const option = (word) => [word, named(word)];
const KINDS = vocabulary.activityTypes.map(option);

/** @param {FormValues} values */
const isOpen = (values) => !values.completed && !values.cancelled;

/**
 * The event that states an activity as a whole.
 *
 * @param {WholeLead} lead
 * @param {FormValues} values
 * @param {Activity} [before]
 * @returns {Command}
 */
function stated(lead, { type, description, outcome, scheduledAt, completed, cancelled }, before) {
  const planned = scheduledAt ? new Date(scheduledAt).toISOString() : null;
  const done = completed ? (before?.completedAt ?? new Date().toISOString()) : null;
  const activity = { id: before?.id, type, description, outcome: outcome || null, scheduledAt: planned, completedAt: done, cancelled: cancelled || null };
  return { method: "POST", path: "/v1/activities", body: { leadId: lead.id, activity } };
}

/**
 * @param {Partial<Activity>} known
 * @returns {FieldSpec[]}
 */
const fields = ({ type = "call", description, outcome, scheduledAt, completedAt }) => [
  { name: "type", label: "Kind", type: "select", required: true, options: KINDS, value: type },
  { name: "description", label: "What", type: "textarea", required: true, value: description ?? "" },
  { name: "outcome", label: "Outcome", value: outcome ?? "" },
  { name: "completed", label: "Done", type: "checkbox", checked: Boolean(completedAt), hint: "Only completed activities of the last 30 days count for the score." },
  { name: "scheduledAt", label: "Planned for", type: "datetime-local", value: scheduledAt ? localTime(scheduledAt) : "", when: isOpen },
];

/** @type {Action} */
export const LOG_ACTIVITY = {
  name: "activity", label: "Log activity", scope: "activities:write", when: () => true, records: true,
  logged: ({ type, completed }) => `${named(type)} ${completed ? "logged" : "planned"}`,
  form: (lead) => ({ title: `Log an activity with ${personOf(lead)}`, action: "Log activity", fields: fields({ completedAt: "now" }) }),
  command: (lead, values) => stated(lead, values),
};

/**
 * @param {Activity} one
 * @returns {Action}
 */
export const changing = (one) => ({
  ...LOG_ACTIVITY,
  name: "change-activity", label: "Change activity",
  logged: ({ type, cancelled }) => `${named(type)} ${cancelled ? "cancelled" : "changed"}`,
  form: () => ({
    title: `Change this ${named(one.type).toLowerCase()}`,
    action: "Save",
    fields: [...fields(one), { name: "cancelled", label: "Cancelled", type: "checkbox", checked: Boolean(one.cancelled), hint: "It gives no points." }],
  }),
  command: (lead, values) => stated(lead, values, one),
});

/**
 * @param {Activity} one
 * @returns {Action}
 */
export const completing = (one) => ({
  ...LOG_ACTIVITY,
  name: "complete-activity", label: "Complete activity",
  logged: () => `${named(one.type)} completed`,
  form: () => ({ title: `Complete this ${named(one.type).toLowerCase()}`, text: one.description ?? "", action: "Complete", fields: [{ name: "outcome", label: "Outcome" }] }),
  command: (lead, { outcome }) => stated(lead, { ...one, outcome, completed: true }, one),
});

/** @param {Activity} one */
export const isPlanned = (one) => Boolean(one.scheduledAt) && !one.completedAt && !one.cancelled;
