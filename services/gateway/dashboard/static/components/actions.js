// What a user may do with a lead: when, by which form, as which command. The server checks all of it again.
import { LOG_ACTIVITY } from "./activities.js";
import { amount, editedFields, edits, isEmpty, lines, option } from "./leadfields.js";
import { NEW_TASK } from "./tasklist.js";
import { companyOf, personOf } from "../core/format.js";
import { vocabulary } from "../core/vocabulary.js";

const STAGES = ["qualification", "proposal", "negotiation"];

/** @typedef {Schemas["Move"]} Move */

/**
 * Whether the server would carry out a move of this lead's status.
 *
 * @type {(move: Move) => (lead: Lead) => boolean}
 */
const allows = (move) => ({ status }) => vocabulary.moves[move]?.[status] !== undefined;

/**
 * Whether the move would also change the status.
 *
 * @type {(move: Move) => (lead: Lead) => boolean}
 */
const changes = (move) => (lead) => allows(move)(lead) && vocabulary.moves[move]?.[lead.status] !== lead.status;

/**
 * @param {Lead} lead
 * @param {string} rest
 */
const path = (lead, rest = "") => `/v1/leads/${encodeURIComponent(lead.id)}${rest}`;

/**
 * Leaves out empty values, at any depth.
 *
 * @param {Record<string, unknown>} values
 * @returns {Record<string, unknown>}
 */
function given(values) {
  const kept = Object.entries(values).map(([name, value]) => {
    const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
    return /** @type {[string, unknown]} */ ([name, isObject ? given(/** @type {Record<string, unknown>} */ (value)) : value]);
  });
  return Object.fromEntries(kept.filter(([, value]) => !isEmpty(value)));
}

/** @param {FormValues} values */
const byBant = (values) => values.method === "bant";
/** @param {FormValues} values */
const progressively = (values) => values.method !== "bant";

/**
 * What the server will say of these values.
 *
 * @param {FormValues} values
 */
function verdict(values) {
  const { criteria, qualifiedFrom } = vocabulary.bant;
  const bant = qualification(values).bant ?? {};
  const score = criteria.reduce((sum, { part, field, points, values: some }) => sum + (met(bant[part]?.[field], some) ? points : 0), 0);
  return `BANT ${score} of 100: ${score >= qualifiedFrom ? "qualified" : `not qualified (${qualifiedFrom} needed)`}.`;
}

/**
 * @param {unknown} value
 * @param {string[]} some
 */
const met = (value, some) => (some.length ? some.includes(String(value)) : Boolean(value));

/**
 * @param {FormValues} values
 * @returns {{requirements?: object, bant?: Record<string, Record<string, unknown>>}}
 */
function qualification(values) {
  const painPoints = lines(values.painPoints);
  if (progressively(values)) {
    const { timeline, currentSolution } = values;
    return { requirements: given({ budget: amount(values.budget), timeline, decisionMakers: lines(values.decisionMakers), currentSolution, painPoints }) };
  }
  return {
    bant: {
      budget: given({ confirmed: values.confirmed, amount: amount(values.budget) }),
      authority: given({ isDecisionMaker: values.isDecisionMaker, decisionMakers: lines(values.decisionMakers) }),
      need: given({ painPoints, currentSolution: values.currentSolution }),
      timeline: given({ urgency: values.urgency }),
    },
  };
}

/** @type {Record<string, [value: string, text: string][]>} */
const OPTIONS = {
  urgency: [["", "Not known"], ...vocabulary.urgencies.map(option)],
  lostReasons: [["", "Choose a reason"], ...vocabulary.lostReasons.map(option)],
  methods: [["requirements", "By requirements: qualifies at once"], ["bant", "By BANT: four questions decide"]],
};

/** @type {Action[]} */
export const ACTIONS = [
  {
    name: "qualify", label: "Qualify", scope: "leads:write", main: ["new", "contacted", "unqualified"],
    when: allows("found fit"), outcomes: ["leads.qualified", "leads.disqualified"],
    form: (lead) => ({
      title: `Qualify ${personOf(lead)}`,
      action: "Qualify",
      fields: [
        { name: "method", label: "How", type: "select", required: true, options: OPTIONS.methods },
        { name: "confirmed", label: "Budget is confirmed", type: "checkbox", when: byBant },
        { name: "isDecisionMaker", label: "Talks to us as a decision maker", type: "checkbox", when: byBant },
        { name: "urgency", label: "Urgency", type: "select", options: OPTIONS.urgency, when: byBant },
        { name: "painPoints", label: "Pain points", type: "textarea", hint: "One per line." },
        { name: "budget", label: "Budget", type: "number", min: 0, step: "any", half: true },
        { name: "timeline", label: "Timeline", when: progressively, half: true },
        { name: "currentSolution", label: "Current solution" },
        { name: "decisionMakers", label: "Decision makers", type: "textarea", rows: 2, hint: "One per line." },
      ],
      changed: (values) => byBant(values) && verdict(values),
    }),
    command: (lead, values) => ({ method: "POST", path: path(lead, "/qualify"), body: qualification(values) }),
  },
  {
    name: "convert", label: "Convert", scope: "leads:write", main: ["qualified"], when: allows("convert"), outcomes: ["leads.converted"],
    form: (lead) => ({
      title: `Convert ${personOf(lead)} to an opportunity`,
      text: "Empty fields are filled from the lead.",
      action: "Convert",
      fields: [
        { name: "name", label: "Opportunity", value: lead.company?.name ? companyOf(lead) : "" },
        { name: "amount", label: "Amount", type: "number", min: 0, step: "any", half: true, value: lead.requirements?.budget ?? "" },
        { name: "currency", label: "Currency", half: true, max: 3, hint: "Three letters, like USD.", validate: (value) => (value === "" || /^[A-Za-z]{3}$/.test(value) ? null : "Enter three letters, like USD.") },
        { name: "closeDate", label: "Expected close", type: "date", half: true },
        { name: "stage", label: "Stage", half: true, list: STAGES },
      ],
    }),
    command: (lead, values) => ({
      method: "POST", path: path(lead, "/convert"),
      body: { opportunity: given({ ...values, amount: amount(values.amount), currency: values.currency.toUpperCase() }) },
    }),
  },
  LOG_ACTIVITY,
  NEW_TASK,
  {
    name: "note", label: "Add note", scope: "leads:write", when: () => true, records: true, logged: () => "Note added",
    form: (lead) => ({
      title: `Add a note about ${personOf(lead)}`,
      action: "Add note",
      fields: [{ name: "note", label: "Note", type: "textarea", rows: 5, required: true, max: 4000 }],
    }),
    command: (lead, { note }) => ({ method: "PATCH", path: path(lead), body: { note } }),
  },
  {
    name: "edit", label: "Edit", scope: "leads:write", when: () => true, outcomes: ["leads.updated"],
    form: (lead) => ({
      title: `Edit ${personOf(lead)}`,
      action: "Save",
      fields: editedFields(lead),
      refuse: (values) => (Object.keys(edits(lead, values)).length ? null : "Nothing has changed."),
    }),
    command: (lead, values) => ({ method: "PATCH", path: path(lead), body: { set: edits(lead, values) } }),
  },
  {
    name: "contacted", label: "Mark contacted", scope: "leads:write", when: changes("set contacted"), outcomes: ["leads.updated"],
    form: () => ({ title: "Mark as contacted?", text: "Use this for a contact outside this app. Logging an activity marks the lead by itself.", action: "Mark contacted" }),
    command: (lead) => ({ method: "PATCH", path: path(lead), body: { status: "contacted" } }),
  },
  {
    name: "assign", label: "Assign", scope: "leads:write", when: () => true, outcomes: ["leads.updated"],
    form: (lead, owners) => ({
      title: `Assign ${personOf(lead)}`,
      text: lead.assignedTo ? `Current owner: ${lead.assignedTo}.` : "This lead has no owner yet.",
      action: "Assign",
      fields: [{ name: "assignedTo", label: "Owner", required: true, list: owners, validate: (value) => (value === lead.assignedTo ? "This is already the owner." : null) }],
    }),
    command: (lead, { assignedTo }) => ({ method: "PATCH", path: path(lead), body: { assignedTo } }),
  },
  {
    name: "lost", label: "Close as lost", scope: "leads:write", when: changes("set lost"), outcomes: ["leads.updated"],
    form: (lead) => ({
      title: `Close ${personOf(lead)} as lost`,
      text: "Nurturing stops. The lead can be reopened.",
      action: "Close as lost",
      danger: true,
      fields: [
        { name: "lostReason", label: "Reason", type: "select", required: true, options: OPTIONS.lostReasons },
        { name: "reason", label: "Details", type: "textarea", hint: "For colleagues who read this later." },
      ],
    }),
    command: (lead, { lostReason, reason }) => ({ method: "PATCH", path: path(lead), body: given({ status: "lost", lostReason, reason }) }),
  },
  {
    name: "reopen", label: "Reopen", scope: "leads:write", main: ["lost"], when: ({ status }) => status === "lost", outcomes: ["leads.updated"],
    form: (lead) => ({
      title: `Reopen ${personOf(lead)}`,
      action: "Reopen",
      fields: [{ name: "reason", label: "Reason", type: "textarea" }],
    }),
    command: (lead, { reason }) => ({ method: "PATCH", path: path(lead), body: given({ status: "new", reason }) }),
  },
  {
    name: "erase", label: "Erase", scope: "leads:erase", danger: true, erases: true, when: () => true, outcomes: ["leads.erased"],
    form: (lead) => {
      const email = lead.contact.email;
      return {
        title: `Erase ${personOf(lead)}`,
        text: "This deletes all personal data of this lead everywhere. It can't be undone.",
        action: "Erase permanently",
        danger: true,
        fields: [{
          name: "confirm", label: email ? `Type ${email} or “erase” to confirm` : "Type “erase” to confirm", required: true,
          validate: (value) => ([email?.toLowerCase(), "erase"].includes(value.toLowerCase()) ? null : "This doesn't match."),
        }],
      };
    },
    command: (lead) => ({ method: "DELETE", path: path(lead) }),
  },
];

/**
 * @param {WholeLead} lead
 * @param {Me} me
 */
export const actionsFor = (lead, me) => ACTIONS.filter((one) => me.scopes.includes(one.scope) && one.when(lead));
