// A task: how it looks in a list, and what a user may do with it.
import { ask } from "./dialogs.js";
import { button, h, icon } from "../core/dom.js";
import { ago, clockTime, daysToMonday, localTime, morning, named, personOf, weekdayOf, when } from "../core/format.js";
import { href } from "../core/router.js";
import { vocabulary } from "../core/vocabulary.js";

/** @typedef {{title: string, question: Question, body: (values: FormValues) => Record<string, unknown>, done: (values: FormValues) => string, undo?: (values: FormValues) => Record<string, unknown> | null}} TaskChange */
/** @typedef {"complete" | "snooze" | "reassign" | "cancel"} TaskAction */

const OUTCOMES = ["Reached", "No answer", "Left a message", "Not interested"];

/** @type {(word: string) => [value: string, text: string]} */
const option = (word) => [word, named(word)];

/** @param {Task["lead"]} lead */
export const leadName = (lead) => [lead.firstName, lead.lastName].filter(Boolean).join(" ") || "Nameless";

/** @param {Task} task */
export const aboutLead = ({ lead }) => [leadName(lead), lead.company].filter(Boolean).join(", ");

/** @param {Date} at */
const isoDay = (at) => localTime(at.toISOString()).slice(0, 10);

/**
 * @param {string} due
 * @param {Date} now
 */
function dueWords(due, now = new Date()) {
  const at = new Date(due);
  if (isoDay(at) === isoDay(now)) return `Today, ${clockTime(due)}`;
  return at < now ? `${when(due)}, ${ago(due)}` : when(due);
}

/**
 * A task in a list. `act(action)`: the user presses one of its buttons; null: the user may not. `away`: shows its lead.
 *
 * @param {Task} task
 * @param {((action: TaskAction) => unknown) | null} act
 * @param {boolean} away
 */
export function taskItem(task, act, away) {
  const reach = task.kind === "email" ? task.lead.email && ["mailto", task.lead.email] : task.lead.phone && ["tel", task.lead.phone];
  return h(
    "li",
    { class: "task", "data-task": task.taskId },
    h("span", { class: "task-kind", title: named(task.kind) }, icon(task.kind), h("span", { class: "out-of-sight" }, `${named(task.kind)}: `)),
    h(
      "div",
      { class: "task-what" },
      h("p", { class: "task-title" }, task.title),
      h("p", { class: "task-about soft" },
        away && [h("a", { href: href("leads", task.leadId), "data-focus": `lead ${task.taskId}` }, aboutLead(task)), " · "],
        away && reach && task.kind !== "todo" && [h("a", { href: `${reach[0]}:${reach[1].replaceAll(/\s/g, "")}`, "data-focus": `reach ${task.taskId}` }, reach[1]), " · "],
        task.dueAt ? h("time", { datetime: task.dueAt }, dueWords(task.dueAt)) : "No date",
        ` · ${task.assignedTo ?? "Unassigned"}`),
    ),
    act && buttons(task, act),
  );
}

/**
 * @param {Task} task
 * @param {(action: TaskAction) => unknown} act
 */
function buttons(task, act) {
  /** @type {[action: TaskAction, label: string, kind: string][]} */
  const offered = [["complete", "Complete", "small"], ["snooze", "Snooze", "quiet small"], ["reassign", "Reassign", "quiet small"], ["cancel", "Cancel", "quiet small"]];
  const made = offered.map(([action, label, kind]) => button(label, () => act(action), { kind, "data-focus": `${action} ${task.taskId}`, "aria-label": `${label}: ${task.title}, ${aboutLead(task)}` }));
  return h("div", { class: "task-actions no-print" }, made);
}

/**
 * What an action asks, sends and says.
 *
 * @param {TaskAction} action
 * @param {Task} task
 * @param {string[]} owners
 * @returns {TaskChange}
 */
export function taskChange(action, task, owners) {
  return { complete: completing, snooze: snoozing, reassign: reassigning, cancel: cancelling }[action](task, owners);
}

/** @type {(task: Task) => TaskChange} */
const completing = (task) => ({
  title: "Completed",
  question: {
    title: `Complete “${task.title}”`,
    text: aboutLead(task),
    action: "Complete",
    fields: [{ name: "outcome", label: "Outcome", list: task.kind === "call" ? OUTCOMES : [], hint: ["call", "meeting"].includes(task.kind) ? "It is recorded as an activity of the lead." : undefined }],
  },
  body: ({ outcome }) => ({ action: "complete", outcome: outcome || null }),
  done: () => `Completed: ${task.title}.`,
});

/** @type {(task: Task) => TaskChange} */
const snoozing = (task) => ({
  title: "Snoozed",
  question: {
    title: `Snooze “${task.title}”`,
    text: aboutLead(task),
    action: "Snooze",
    fields: [
      { name: "span", label: "Until", type: "select", required: true, options: [["tomorrow", `Tomorrow, ${clockTime(morning(1).toISOString())}`], ["week", `Next week, ${weekdayOf(isoDay(morning(daysToMonday())))}`], ["date", "A date…"]] },
      { name: "until", label: "Date and time", type: "datetime-local", required: true, value: localTime(suggested(task)), when: ({ span }) => span === "date", validate: (value) => (new Date(value) > new Date() ? null : "Choose a time that is still to come.") },
    ],
  },
  body: (values) => ({ action: "snooze", until: untilOf(values) }),
  done: (values) => `Snoozed until ${when(untilOf(values))}: ${task.title}.`,
  undo: () => (task.dueAt ? { action: "snooze", until: task.dueAt } : null),
});

/** @param {Task} task */
function suggested({ dueAt }) {
  return dueAt && new Date(dueAt) > morning(1) ? dueAt : morning(1).toISOString();
}

/** @param {FormValues} values */
function untilOf({ span, until }) {
  const at = span === "date" ? new Date(until) : morning(span === "week" ? daysToMonday() : 1);
  return at.toISOString();
}

/** @type {(task: Task, owners: string[]) => TaskChange} */
const reassigning = (task, owners) => ({
  title: "Reassigned",
  question: {
    title: `Reassign “${task.title}”`,
    text: task.assignedTo ? `Now with ${task.assignedTo}.` : "Nobody has this task yet.",
    action: "Reassign",
    fields: [{ name: "assignedTo", label: "Assigned to", required: true, list: owners, validate: (value) => (value === task.assignedTo ? "It is already theirs." : null) }],
  },
  body: ({ assignedTo }) => ({ action: "reassign", assignedTo }),
  done: ({ assignedTo }) => `Given to ${assignedTo}: ${task.title}.`,
  undo: () => (task.assignedTo ? { action: "reassign", assignedTo: task.assignedTo } : null),
});

/** @type {(task: Task) => TaskChange} */
const cancelling = (task) => ({
  title: "Cancelled",
  question: {
    title: `Cancel “${task.title}”?`,
    text: `${aboutLead(task)}. A cancelled task can't be reopened.`,
    action: "Cancel task",
    danger: true,
    fields: [{ name: "outcome", label: "Reason" }],
  },
  body: ({ outcome }) => ({ action: "cancel", outcome: outcome || null }),
  done: () => `Cancelled: ${task.title}.`,
});

/**
 * Asks for what the action needs, and sends it. Resolves with the values that were sent, or null.
 *
 * @param {TaskChange} change
 * @param {(body: Record<string, unknown>) => Promise<unknown>} submit
 * @returns {Promise<FormValues | null>}
 */
export async function asked(change, submit) {
  /** @type {FormValues} */
  let sent = {};
  const went = await ask({ ...change.question, submit: (values) => { sent = values; return submit(change.body(values)); } });
  return went ? sent : null;
}

/** @type {Action} */
export const NEW_TASK = {
  name: "task", label: "New task", scope: "leads:write", when: () => true, outcomes: ["tasks.created"], logged: ({ kind }) => `${named(kind)} planned`,
  form: (lead, owners) => ({
    title: `New task for ${personOf(lead)}`,
    action: "Add task",
    fields: [
      { name: "kind", label: "Kind", type: "select", required: true, options: vocabulary.taskKinds.map(option) },
      { name: "title", label: "What", required: true, max: 200 },
      { name: "dueAt", label: "Due", type: "datetime-local", half: true, value: localTime(morning(1).toISOString()) },
      { name: "assignedTo", label: "Assigned to", half: true, list: owners, hint: lead.assignedTo ? `Empty: the owner, now ${lead.assignedTo}.` : "Empty: the owner, once there is one." },
    ],
  }),
  command: (lead, { kind, title, dueAt, assignedTo }) => ({
    method: "POST", path: "/v1/tasks",
    body: { leadId: lead.id, kind, title, dueAt: dueAt ? new Date(dueAt).toISOString() : null, assignedTo: assignedTo || null },
  }),
};
