// The open tasks of one lead, and the way on to the next task of the user's list.
import { get, isAborted } from "../core/api.js";
import { clear, focusedIn, h } from "../core/dom.js";
import { href } from "../core/router.js";
import { failed } from "./states.js";
import { TaskDesk } from "./taskdesk.js";
import { aboutLead, taskItem } from "./tasklist.js";

const SHOWN = 50;

export class LeadTasks {
  /** @type {Task[]} */
  #tasks = [];
  /** @type {Task | null} the next task of the user's list that is another lead's */
  #next = null;
  #loaded = false;
  #key = "";

  /**
   * @param {string} leadId
   * @param {Me} me
   * @param {() => string[]} owners
   * @param {() => void} changed
   */
  constructor(leadId, me, owners, changed) {
    this.leadId = leadId;
    this.me = me;
    this.desk = new TaskDesk({ owners, changed: () => { this.#draw(); changed(); } });
    this.body = h("div", {});
    this.element = h("section", { class: "card", "aria-labelledby": "lead-tasks", hidden: true }, h("div", { class: "card-head" }, h("h2", { id: "lead-tasks", tabindex: -1 }, "Open tasks")), this.body);
  }

  /** @param {AbortSignal} signal */
  async load(signal) {
    const mine = new URLSearchParams([["assignedTo", this.me.name], ["assignedTo", "(none)"], ["limit", "20"]]);
    try {
      const [ours, others] = await Promise.all([get(`/v1/tasks?leadId=${encodeURIComponent(this.leadId)}&limit=${SHOWN}`, signal), get(`/v1/tasks?${mine}`, signal)]);
      this.#tasks = ours.tasks;
      this.#next = others.tasks.find((one) => one.leadId !== this.leadId) ?? null;
      this.#loaded = true;
      this.#draw();
    } catch (error) {
      if (!isAborted(error) && !this.#loaded) {
        this.element.hidden = false;
        clear(this.body, failed(error, () => this.load(signal), "The tasks could not be loaded"));
      }
    }
  }

  get #open() {
    return this.#tasks.filter((one) => !this.desk.settles(one));
  }

  #draw() {
    const open = this.#open;
    const key = JSON.stringify([open, this.#next]);
    if (!this.#loaded || key === this.#key) return;
    this.#key = key;
    const focus = focusedIn(this.body)?.dataset.focus;
    const way = this.#way();
    this.element.hidden = open.length === 0 && !way;
    const may = this.me.scopes.includes("leads:write");
    clear(
      this.body,
      open.length ? h("ul", { class: "tasks" }, open.map((one) => taskItem(one, may ? (action) => this.#act(action, one) : null, false))) : h("p", { class: "soft" }, "Nothing is planned for this lead."),
      way && h("p", { class: "task-next no-print" }, "Next on your list: ", h("a", { href: way.href, "data-focus": "next" }, way.text)),
    );
    if (focus) /** @type {HTMLElement | null} */ (this.body.querySelector(`[data-focus="${CSS.escape(focus)}"]`))?.focus({ preventScroll: true });
  }

  #way() {
    return this.#next && { text: `${this.#next.title} (${aboutLead(this.#next)})`, href: href("leads", this.#next.leadId) };
  }

  /**
   * @param {import("./tasklist.js").TaskAction} action
   * @param {Task} task
   */
  async #act(action, task) {
    if (!(await this.desk.act(action, task))) return;
    const link = /** @type {HTMLElement | null} */ (this.body.querySelector("[data-focus^='complete '], [data-focus='next']"));
    (link ?? this.element.querySelector("h2"))?.focus();
  }
}
