// Carries out what a user does with tasks: asks, sends, says what came of it, and offers to undo it.
import { freshId, get, send, sentence } from "../core/api.js";
import { asked, taskChange } from "./tasklist.js";
import { toast } from "./toasts.js";

/** @typedef {import("./tasklist.js").TaskAction} TaskAction */

const EVERY_MS = 700;
const PATIENCE_MS = 20_000;

/** @type {Record<string, string>} */
const REASONS = {
  invalid_transition: "Someone else closed this task already.",
  unknown_task: "This task doesn't exist any more.",
  lead_not_found: "This lead doesn't exist any more.",
  too_large: "This task was changed too often. Complete or cancel it.",
};

export class TaskDesk {
  /** @type {Set<string>} tasks whose change the server has accepted, and not yet carried out */
  #settling = new Set();

  /**
   * `changed()` is called when the lists may differ.
   *
   * @param {{owners: () => string[], changed: () => void}} parts
   */
  constructor({ owners, changed }) {
    this.owners = owners;
    this.changed = changed;
  }

  /** @param {Task} task */
  settles(task) {
    return this.#settling.has(task.taskId);
  }

  /**
   * Returns whether the action was sent. `next`: a link for the message, to go on with.
   *
   * @param {TaskAction} action
   * @param {Task} task
   * @param {() => {text: string, href: string} | null} [next]
   */
  async act(action, task, next = () => null) {
    const change = taskChange(action, task, this.owners());
    let id = freshId();
    /** @type {string | null} */
    let before = null;
    const values = await asked(change, async (body) => {
      const wanted = JSON.stringify(body);
      // A command that is sent again after a failure keeps its id, until its values change.
      if (before !== null && before !== wanted) id = freshId();
      before = wanted;
      await this.#send(task, body, id);
    });
    if (!values) return false;
    const back = change.undo?.(values);
    this.#follow(task, id);
    toast(change.done(values), { link: next(), undo: back ? () => this.#undo(task, back) : null });
    return true;
  }

  /**
   * @param {Task} task
   * @param {Record<string, unknown>} body
   * @param {string} id
   */
  #send(task, body, id) {
    return send("PATCH", `/v1/tasks/${encodeURIComponent(task.taskId)}`, { ...body, leadId: task.leadId }, id);
  }

  /**
   * @param {Task} task
   * @param {Record<string, unknown>} body
   */
  async #undo(task, body) {
    const id = freshId();
    try {
      await this.#send(task, body, id);
      toast(`Undone: ${task.title}.`);
      await this.#follow(task, id);
    } catch (error) {
      toast(sentence(error), { fault: true });
    }
  }

  /**
   * Waits until the command is carried out or rejected.
   *
   * @param {Task} task
   * @param {string} id
   */
  async #follow(task, id) {
    this.#settling.add(task.taskId);
    this.changed();
    const { state, reason } = await settled(id);
    this.#settling.delete(task.taskId);
    if (state === "rejected") toast(`${REASONS[reason ?? ""] ?? "This was rejected."} “${task.title}” stays as it was.`, { fault: true });
    this.changed();
  }
}

/**
 * What became of a command, as soon as it is known; `pending` if it takes too long.
 *
 * @param {string} id
 * @returns {Promise<{state: string, reason?: string | null}>}
 */
async function settled(id) {
  for (const until = Date.now() + PATIENCE_MS; Date.now() < until;) {
    const found = await get(`/v1/events/${encodeURIComponent(id)}`).catch(() => null);
    if (found && !["pending", "waiting"].includes(found.state)) return found;
    await new Promise((done) => setTimeout(done, EVERY_MS));
  }
  return { state: "pending" };
}
