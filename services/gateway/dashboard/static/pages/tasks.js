// A day's work: the open tasks that are overdue, due today, and due later.
import { get, isAborted } from "../core/api.js";
import { button, clear, focusedIn, h, setText } from "../core/dom.js";
import { owners } from "../components/filters.js";
import { counted, ownerName } from "../core/format.js";
import { keptFresh } from "../core/live.js";
import { href, remember } from "../core/router.js";
import { empty, failed, skeleton } from "../components/states.js";
import { TaskDesk } from "../components/taskdesk.js";
import { aboutLead, taskItem } from "../components/tasklist.js";

const PAGE = 50;
const REFRESH_MS = 2000;
const LOOK_MS = 20_000;
/** @typedef {{due: string, title: string, nothing: string | null}} Part */
/** @type {Part[]} */
const PARTS = [
  { due: "overdue", title: "Overdue", nothing: null },
  { due: "today", title: "Today", nothing: "Nothing is due today." },
  { due: "later", title: "Later", nothing: "Nothing is planned after today." },
];

// The tasks of one part of the list, with their element.
class Section {
  /** @type {Task[]} */
  tasks = [];
  /** @type {string | null} */
  cursor = null;
  limit = PAGE;
  #key = "";

  /** @param {Part} part */
  constructor(part) {
    this.part = part;
    this.count = h("span", { class: "soft" });
    this.list = h("ul", { class: "tasks" });
    this.foot = h("div", { class: "no-print" });
    this.element = h("section", { class: "card", "aria-labelledby": `tasks-${part.due}`, "data-due": part.due }, h("div", { class: "card-head" }, h("h2", { id: `tasks-${part.due}` }, part.title), this.count), this.list, this.foot);
  }

  /**
   * @param {string} who
   * @param {AbortSignal} signal
   */
  async load(who, signal) {
    const { tasks, nextCursor } = await get(`/v1/tasks?${who}due=${this.part.due}&limit=${this.limit}`, signal);
    this.tasks = tasks;
    this.cursor = nextCursor;
  }

  /**
   * @param {Task[]} open
   * @param {(task: Task) => Child} item
   * @param {() => void} more
   */
  draw(open, item, more) {
    const key = JSON.stringify([open, this.cursor]);
    if (key === this.#key) return;
    this.#key = key;
    this.element.hidden = open.length === 0 && this.part.nothing === null;
    setText(this.count, this.cursor ? `${open.length} of more` : open.length ? String(open.length) : "");
    clear(this.list, open.map(item));
    clear(this.foot, open.length ? null : h("p", { class: "soft" }, this.part.nothing), this.cursor && this.limit < 200 ? button("Show more", more, { kind: "small" }) : null);
  }
}

/** @param {Here} here */
export function mount({ root, query, me, live, title }) {
  title("Tasks");
  const aborting = new AbortController();
  const usual = me.role === "sales" ? "mine" : "everyone";
  let who = query.get("who") ?? usual;
  const sections = PARTS.map((part) => new Section(part));
  const count = h("p", { class: "soft" });
  const choice = h("select", { id: "task-owner", on: { change: chosen } });
  const place = h("div", { class: "task-parts" });
  const state = h("div", { class: "card" }, skeleton(6, "Loading tasks"));
  /** @type {string[]} */
  let names = [];
  const may = me.scopes.includes("leads:write");
  const desk = new TaskDesk({ owners: () => [...new Set([me.name, ...names])], changed: () => { draw(); fresh.again(); } });
  root.append(h("div", { class: "page-head" }, h("div", {}, h("h1", { tabindex: -1 }, "Tasks"), count), h("div", { class: "choice" }, h("label", { for: "task-owner" }, "Show"), choice)), state, place);

  function offer() {
    const known = new Set(["mine", "everyone", "(none)", ...names.filter((one) => one !== me.name)]);
    if (!known.has(who)) known.add(who);
    clear(choice, [...known].map((one) => h("option", { value: one }, { mine: "Mine and unassigned", everyone: "Everyone’s" }[one] ?? ownerName(one))));
    choice.value = who;
  }

  function chosen() {
    who = choice.value;
    remember(href("tasks", null, { who: who === usual ? null : who }));
    for (const one of sections) one.limit = PAGE;
    load(false);
  }

  function wanted() {
    if (who === "everyone") return "";
    const people = who === "mine" ? [me.name, "(none)"] : [who];
    return `${new URLSearchParams(people.map((one) => ["assignedTo", one]))}&`;
  }

  /** @param {boolean} quietly */
  async function load(quietly) {
    try {
      const asked = wanted();
      await Promise.all(sections.map((one) => one.load(asked, aborting.signal)));
      if (asked === wanted()) draw();
    } catch (error) {
      if (isAborted(error) || (quietly && place.childElementCount)) return;
      clear(place);
      state.hidden = false;
      clear(state, failed(error, () => load(false), "The tasks could not be loaded"));
    }
  }

  /** @param {Section} section */
  const openIn = (section) => section.tasks.filter((one) => !desk.settles(one));

  function draw() {
    const all = sections.flatMap(openIn);
    const more = sections.some((one) => one.cursor);
    const focus = focusedIn(place)?.dataset.focus;
    setText(count, all.length ? `${counted(all.length, "open task")}${more ? ", more available" : ""}` : "");
    state.hidden = all.length > 0;
    clear(state, all.length ? null : empty("All done", who === "mine" ? "Nothing is planned for you, and nothing waits for an owner." : "No task is open."));
    if (!all.length) return clear(place);
    for (const section of sections) section.draw(openIn(section), (task) => taskItem(task, may ? (action) => act(action, task) : null, true), () => { section.limit += PAGE; load(true); });
    if (!place.childElementCount) clear(place, sections.map((one) => one.element));
    if (focus) /** @type {HTMLElement | null} */ (place.querySelector(`[data-focus="${CSS.escape(focus)}"]`))?.focus({ preventScroll: true });
  }

  /**
   * After the task, the next one has the focus, and the message leads to its lead.
   *
   * @param {import("../components/tasklist.js").TaskAction} action
   * @param {Task} task
   */
  async function act(action, task) {
    const all = sections.flatMap(openIn);
    const at = all.findIndex((one) => one.taskId === task.taskId && one.leadId === task.leadId);
    const next = all[at + 1] ?? all[at - 1];
    const onward = next && next.leadId !== task.leadId ? { text: `Next: ${aboutLead(next)}`, href: href("leads", next.leadId) } : null;
    if (!(await desk.act(action, task, () => onward))) return;
    const there = next && /** @type {HTMLElement | null} */ (place.querySelector(`[data-focus="complete ${CSS.escape(next.taskId)}"]`));
    (there ?? root.querySelector("h1"))?.focus();
  }

  offer();
  owners(me).then((found) => { names = found; offer(); });
  const fresh = keptFresh(live, load, REFRESH_MS);
  const looking = setInterval(() => fresh.again(), LOOK_MS);
  return () => {
    clearInterval(looking);
    fresh.stop();
    aborting.abort();
  };
}
