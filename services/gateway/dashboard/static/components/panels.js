// The panels beside a lead's timeline: pure functions from the server's answers to elements.
import { isPlanned } from "./activities.js";
import { button, h } from "../core/dom.js";
import { evidenceOf } from "./evidence.js";
import { ago, counted, dateOf, fullDayOf, money, named, number, roughly, sentenceCase, when } from "../core/format.js";
import { empty } from "./states.js";
import { vocabulary } from "../core/vocabulary.js";

/**
 * @param {string} title
 * @param {...Child} content
 */
export function card(title, ...content) {
  const id = `card-${title.toLowerCase().replaceAll(/[^a-z]+/g, "-")}`;
  return h("section", { class: "card", "aria-labelledby": id }, h("div", { class: "card-head" }, h("h2", { id }, title)), content);
}

/**
 * Pairs of name and value, without missing values.
 *
 * @param {[name: string, value: Child][]} pairs
 */
function facts(pairs) {
  const filled = pairs.filter(([, value]) => value && !(Array.isArray(value) && value.length === 0));
  return filled.length ? h("dl", { class: "facts" }, filled.map(([name, value]) => [h("dt", {}, name), h("dd", {}, Array.isArray(value) ? listed(value) : value)])) : null;
}

/** @param {Child[]} values */
const listed = (values) => h("ul", { class: "plain-list" }, values.map((one) => h("li", {}, one)));
/**
 * @param {string} scheme
 * @param {string | null | undefined} value
 */
const link = (scheme, value) => value && h("a", { href: `${scheme}:${value.replaceAll(/\s/g, "")}` }, value);

/**
 * Only a web address becomes a link: a lead's text can be anything.
 *
 * @param {string | null | undefined} value
 */
function website(value) {
  if (!value) return null;
  const address = /^https?:\/\//i.test(value) ? value : `https://${value}`;
  return URL.canParse(address) ? h("a", { href: address, rel: "noopener noreferrer", target: "_blank" }, value) : value;
}

/** @param {Lead} lead */
export function contactPanel({ contact, company }) {
  return card(
    "Contact and company",
    facts([
      ["Name", [contact.firstName, contact.lastName].filter(Boolean).join(" ")], ["Title", contact.title],
      ["E-mail", link("mailto", contact.email)], ["Phone", link("tel", contact.phone)],
      ["Time zone", contact.timeZone],
      ["Company", company.name], ["Industry", named(company.industry)], ["Size", named(company.size)],
      ["Website", website(company.website)], ["Annual revenue", typeof company.annualRevenue === "number" ? money(company.annualRevenue) : null],
      ["Address", company.address && addressOf(company.address)],
    ]),
  );
}

/** @param {Schemas["Address"]} address */
function addressOf({ street, city, region, postalCode, country }) {
  return [street, city, [region, postalCode].filter(Boolean).join(" "), country].filter(Boolean).join(", ");
}

/** @type {Record<Schemas["AttributeType"], (value: any) => string>} any: of the attribute's type */
const SHOWN = {
  text: String,
  number,
  date: fullDayOf,
  boolean: (value) => (value ? "Yes" : "No"),
  choice: named,
};

/**
 * The attributes of a lead; null if none is known. One that is not declared any more has its name as its label.
 *
 * @param {Lead} lead
 */
export function attributesPanel({ attributes }) {
  const left = { ...attributes };
  const declared = vocabulary.attributes.map(({ name, label, type, unit }) => {
    const value = left[name];
    delete left[name];
    return /** @type {[string, Child]} */ ([label, value !== undefined && [SHOWN[type](value), unit].filter(Boolean).join(" ")]);
  });
  const known = facts([...declared, ...Object.entries(left).map(([name, value]) => /** @type {[string, Child]} */ ([named(name), plain(value)]))]);
  return known && card("Business details", known);
}

/** @param {WholeLead} lead */
export function requirementsPanel({ requirements: stated, qualification }) {
  const requirements = stated ?? /** @type {Schemas["Requirements"]} */ ({});
  const known = facts([
    ["Budget", typeof requirements.budget === "number" ? money(requirements.budget) : null], ["Timeline", requirements.timeline && timeline(requirements.timeline)],
    ["Decision makers", requirements.decisionMakers], ["Current solution", requirements.currentSolution], ["Pain points", requirements.painPoints],
  ]);
  return card("Requirements", known ?? h("p", { class: "soft" }, "Nothing known yet. Qualify the lead to record it."), qualification && qualified(qualification));
}

/**
 * BANT has a date of implementation; all other values are the lead's text.
 *
 * @param {string} text
 */
const timeline = (text) => (/^\d{4}-\d{2}-\d{2}T/.test(text) && !Number.isNaN(Date.parse(text)) ? dateOf(text) : named(text));

/** @param {Schemas["QualificationView"]} qualification */
function qualified({ method, bantScore, bant, by, at }) {
  const { budget = {}, authority = {}, need = {}, timeline: time = {} } = /** @type {Bant} */ (bant ?? {});
  const more = facts([
    ["BANT score", typeof bantScore === "number" ? `${number(bantScore)} of 100` : null], ["Budget for", budget.timeframe], ["Approval", authority.approvalProcess],
    ["Needs", need.requirements], ["Urgency", time.urgency && named(time.urgency)], ["Timing", time.factors],
  ]);
  return [h("h3", {}, "Qualification"), h("p", { class: "soft" }, `${method === "bant" ? "By BANT" : "By requirements"}${by ? `, ${by}` : ""}${at ? `, ${ago(at)}` : ""}`), more];
}

/** @param {WholeLead} lead */
export function consentPanel({ id, consent, permissions, context }) {
  /** @param {Schemas["PermissionView"]} one */
  const may = (one) => one && h("div", {}, one.allowed ? "Allowed" : "Not allowed", h("p", { class: "soft" }, sentenceCase(one.why)));
  const at = consent?.capturedAt && when(consent.capturedAt);
  return card(
    "Consent and campaign",
    facts([["E-mail", may(permissions?.email)], ["Calls", may(permissions?.phone)], ["Last stated", at], ...Object.entries(context ?? {}).map(([name, value]) => /** @type {[string, string]} */ ([named(name), plain(value)]))]),
    h("p", { class: "note no-print" }, h("a", { href: `/v1/leads/${encodeURIComponent(id)}/export`, download: "" }, "Export all data"), " that is kept about this person."),
  );
}

/** @type {Record<string, string>} */
const CHANNELS = { email: "E-mail", phone: "Calls" };

/** @param {Schemas["ConsentHistory"]} answer */
export function statementsPanel({ statements }) {
  /** @param {Schemas["StatementView"]} one */
  const said = (one) => (one.given ? "allowed" : one.reason === "stated" ? "refused" : named(one.reason).toLowerCase());
  /** @param {Schemas["StatementView"]} one */
  const about = (one) => [one.address, one.by ? `recorded by ${one.by}` : one.source].filter(Boolean).join(" · ");
  /** @param {Schemas["StatementView"]} one */
  const line = (one) => h("li", {}, h("div", {}, h("b", {}, CHANNELS[one.channel], " ", said(one)), h("span", { class: "soft" }, " ", h("time", { datetime: one.at }, when(one.at)))), one.wording && h("p", {}, `“${one.wording}”`), h("p", { class: "soft" }, about(one)));
  return statements.length ? card("Consent history", h("ol", { class: "steps" }, statements.map(line))) : null;
}

/** @param {unknown} value */
const plain = (value) => (typeof value === "number" ? number(value) : typeof value === "object" ? JSON.stringify(value) : String(value));

/** @param {Schemas["LeadScore"] | null} answer */
export function scorePanel(answer) {
  if (!answer || answer.score === null) return card("Why this score", empty("Not scored yet", "The score appears when the scoring worker has handled the lead."));
  const { score, breakdown, history, at, agesAt, ruleSet } = answer;
  const sum = breakdown.reduce((total, one) => total + one.points, 0);
  const most = Math.max(1, ...breakdown.map((one) => Math.abs(one.points)));
  /** @param {Schemas["PartView"]} part */
  const line = ({ rule, points, evidence }) => {
    const because = evidenceOf(rule, evidence);
    return h(
      "li",
      { class: points < 0 ? "minus" : null },
      h("div", { class: "rule" }, h("span", {}, named(rule)), h("b", {}, `${points < 0 ? "−" : "+"}${number(Math.abs(points))}`)),
      h("span", { class: "rule-track", "aria-hidden": "true" }, h("span", { class: "rule-bar", style: { width: `${(100 * Math.abs(points)) / most}%` } })),
      because && h("p", { class: "evidence soft" }, because),
    );
  };
  const rules = breakdown.toSorted((a, b) => b.points - a.points).map(line);
  const clamped = sum === score ? null : `The parts add up to ${number(sum)}, but a score stays between 0 and 100.`;
  return card(
    "Why this score",
    h("p", { class: "big-score" }, h("strong", {}, number(score)), h("span", { class: "soft" }, ` of 100${ruleSet ? `, by rule set ${ruleSet.slice(0, 12)}` : ""}${at ? `, ${ago(at)}` : ""}`)),
    rules.length ? h("ol", { class: "rules" }, rules) : h("p", { class: "soft" }, "No rule gives points to this lead."),
    clamped && h("p", { class: "note" }, clamped),
    agesAt && h("p", { class: "note" }, `Drops on ${dateOf(agesAt)}, when an activity becomes 30 days old.`),
    history.length > 1 && scoreHistory(history),
  );
}

/** @param {Schemas["ScoreChange"][]} history */
function scoreHistory(history) {
  /** @param {Schemas["ScoreChange"]} change */
  const line = ({ at, score, previousScore, reason }) => h("li", {}, h("b", {}, typeof previousScore !== "number" ? number(score) : `${number(previousScore)} → ${number(score)}`), h("span", {}, named(reason)), h("time", { class: "soft", datetime: at, title: when(at) }, ago(at)));
  return h("details", {}, h("summary", {}, `History: ${history.length} changes`), h("ol", { class: "history" }, history.map(line)));
}

/** @type {Record<Schemas["NurtureStep"]["state"], string>} */
const STEP_STATES = { scheduled: "Planned", sent: "Sent", skipped: "Skipped", cancelled: "Cancelled" };

/**
 * @param {Schemas["NurtureStep"]} step
 * @returns {Child[]}
 */
function stateOf(step) {
  const at = h("time", { datetime: step.dueAt }, when(step.dueAt));
  if (step.willNotGo) return [`Won't be sent: ${step.willNotGo} (due `, at, ")"];
  return [`${STEP_STATES[step.state] ?? step.state}: `, at, step.why ? ` (${step.why})` : ""];
}

/** @param {Schemas["NurtureSteps"]} answer */
export function nurturePanel({ steps }) {
  const open = steps.filter((one) => one.state === "scheduled");
  const past = steps.filter((one) => one.state !== "scheduled");
  /** @param {Schemas["NurtureStep"]} step */
  const line = (step) => h("li", { "data-state": step.willNotGo ? "skipped" : step.state }, h("div", {}, h("b", {}, named(step.stepId)), h("span", { class: "soft" }, ` ${named(step.action)} · ${named(step.sequenceId)}`)), h("div", { class: "soft" }, stateOf(step)));
  return card(
    "Next nurture steps",
    open.length ? h("ol", { class: "steps" }, open.map(line)) : h("p", { class: "soft" }, "No step is planned."),
    past.length > 0 && h("details", {}, h("summary", {}, `Past steps: ${past.length}`), h("ol", { class: "steps" }, past.map(line))),
  );
}

/**
 * `change(activity)` and `complete(activity)` ask for it; null: the user may not.
 *
 * @param {WholeLead} lead
 * @param {{change: (one: Schemas["ActivityView"]) => unknown, complete: (one: Schemas["ActivityView"]) => unknown} | null} may
 */
export function activitiesPanel({ activities }, may) {
  /** @param {Schemas["ActivityView"]} one */
  const state = (one) => (one.cancelled ? "cancelled" : one.completedAt ? `done ${ago(one.completedAt)}` : one.scheduledAt ? `planned for ${when(one.scheduledAt)}` : ago(one.at));
  /** @param {Schemas["ActivityView"]} one */
  const buttons = (one) => may && one.changeable && h("div", { class: "step-actions no-print" },
    isPlanned(one) && button("Complete", () => may.complete(one), { kind: "quiet small", "aria-label": `Complete ${named(one.type)}: ${one.description}` }),
    button("Change", () => may.change(one), { kind: "quiet small", "aria-label": `Change ${named(one.type)}: ${one.description}` }));
  /** @param {Schemas["ActivityView"]} one */
  const line = (one) => h("li", {}, h("div", {}, h("b", {}, named(one.type)), h("span", { class: "soft" }, ` by ${one.createdBy}, ${state(one)}`)), one.description && h("p", {}, one.description), one.outcome && h("p", { class: "soft" }, `Outcome: ${one.outcome}`), buttons(one));
  return card("Activities", activities.length ? h("ol", { class: "steps" }, activities.map(line)) : h("p", { class: "soft" }, "No activities yet."));
}

/** @param {WholeLead} lead */
export function notesPanel({ notes }) {
  /** @param {Schemas["NoteView"]} one */
  const line = (one) => h("li", {}, h("p", { class: "note-text" }, one.text), h("p", { class: "soft" }, `${one.by}, `, h("time", { datetime: one.at, title: when(one.at) }, ago(one.at))));
  return notes.length ? card("Notes", h("ol", { class: "steps" }, notes.map(line))) : null;
}

/** @param {Schemas["Prediction"]} prediction */
export function predictionPanel({ probability, confidenceWords, interval, method, modelVersion, horizonDays, baseRate, at, factors, recommendedActions }) {
  const most = Math.max(...factors.map((one) => Math.abs(one.weight)), 0.0001);
  /** @param {Schemas["Factor"]} factor */
  const factor = ({ name, weight }) => h("li", { class: weight < 0 ? "minus" : null }, h("div", { class: "rule" }, h("span", {}, sentenceCase(name)), h("b", {}, weight < 0 ? "lowers" : "raises")), h("span", { class: "rule-track", "aria-hidden": "true" }, h("span", { class: "rule-bar", style: { width: `${(100 * Math.abs(weight)) / most}%` } })));
  const heuristic = method === "heuristic";
  const says = heuristic
    ? [h("strong", {}, number(Math.round(100 * probability))), h("span", { class: "soft" }, " of 100: a rough estimate by a formula, not a probability")]
    : [h("strong", {}, roughly(probability)), h("span", { class: "soft" }, ` likely to convert within ${counted(horizonDays ?? 0, "day")}; ${confidenceWords} confidence`)];
  return card(
    "Prediction",
    h("p", { class: "big-score" }, says),
    interval && h("p", { class: "soft" }, `Probably between ${roughly(interval[0])} and ${roughly(interval[1])} (average of all leads: ${roughly(baseRate ?? 0)}).`),
    factors.length > 0 && h("ol", { class: "rules" }, factors.map(factor)),
    recommendedActions.length > 0 && [h("h3", {}, "Recommended"), listed(recommendedActions.map((one) => sentenceCase(one.replaceAll("_", " "))))],
    h("p", { class: "note" }, heuristic ? `No model has been tested on enough outcomes yet. Estimated ${ago(at)}.` : `By model ${modelVersion} (${method}), ${ago(at)}.`),
  );
}
