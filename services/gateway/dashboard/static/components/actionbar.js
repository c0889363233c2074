// The buttons of a lead, and the results of its commands.
import { freshId, sentence } from "../core/api.js";
import { actionsFor } from "./actions.js";
import { take, outcome } from "./commands.js";
import { ask } from "./dialogs.js";
import { button, clear, focusedIn, h, icon } from "../core/dom.js";

/** @type {Record<string, string>} */
const SIGNS = { sent: "wait", done: "check", rejected: "alert", unknown: "wait" };

export class ActionBar {
  #names = "";
  /** @type {WholeLead | null} */
  lead = null;

  /**
   * `changed()` is called when an outcome is known; `erased()` when the lead is gone.
   *
   * @param {{me: Me, live: import("../core/live.js").Live, owners: () => string[], changed: () => void, erased: () => void}} parts
   */
  constructor({ me, live, owners, changed, erased }) {
    this.me = me;
    this.live = live;
    this.owners = owners;
    this.changed = changed;
    this.erased = erased;
    this.buttons = h("div", { class: "actions no-print" });
    this.outcomes = h("ul", { class: "outcomes" });
    const log = h("div", { class: "no-print", role: "log", "aria-label": "Results of your actions" }, this.outcomes);
    this.element = h("div", { class: "action-bar" }, this.buttons, log);
  }

  /** @param {WholeLead} lead */
  show(lead) {
    this.lead = lead;
    const wanted = actionsFor(lead, this.me);
    const names = `${lead.status} ${wanted.map((one) => one.name)}`;
    if (names === this.#names) return;
    this.#names = names;
    const focused = focusedIn(this.buttons)?.dataset.action;
    /** @param {Action} one */
    const kind = (one) => (one.danger ? "danger-quiet" : one.main?.includes(lead.status) ? "primary" : "");
    const sorted = [...wanted].sort((a, b) => Number(kind(b) === "primary") - Number(kind(a) === "primary"));
    clear(this.buttons, sorted.map((one) => button(one.label, () => this.run(one, this.lead ?? lead), { kind: kind(one), "data-action": one.name })));
    if (focused) /** @type {HTMLElement | null} */ (this.buttons.querySelector(`[data-action="${focused}"]`) ?? this.buttons.firstChild)?.focus();
  }

  /**
   * A command that is sent again after a failure keeps its id, until its values change.
   *
   * @param {Action} action
   * @param {WholeLead} lead
   */
  async run(action, lead) {
    let id = freshId();
    /** @type {string | null} */
    let asked = null;
    /** @type {string | null} */
    let eventId = null;
    /** @type {FormValues} */
    let sent = {};
    const form = action.form(lead, this.owners());
    await ask({
      ...form,
      submit: async (values) => {
        const command = action.command(lead, values);
        const wanted = JSON.stringify(values);
        if (asked !== null && asked !== wanted) id = freshId();
        asked = wanted;
        sent = values;
        eventId = await take(command, id);
      },
    });
    if (eventId) await this.#follow(action, lead, eventId, action.logged?.(sent));
  }

  /**
   * @param {Action} action
   * @param {WholeLead} lead
   * @param {string} eventId
   * @param {string} [logged]
   */
  async #follow(action, lead, eventId, logged) {
    const line = h("li", {});
    /**
     * @param {string} state
     * @param {string} title
     * @param {string} text
     */
    const show = (state, title, text = "") => {
      line.dataset.state = state;
      clear(line, icon(SIGNS[state]), h("span", {}, h("strong", {}, title), " ", text), state === "sent" ? null : button("Dismiss", () => line.remove(), { kind: "quiet small" }));
    };
    this.outcomes.prepend(line);
    show("sent", action.label, "sent. Waiting for the result…");
    try {
      const { state, text } = await outcome(lead.id, action, eventId, this.live);
      if (state === "done") show(state, logged ?? text);
      else show(state, action.label, state === "rejected" ? `rejected: ${text}` : text);
      if (state === "done" && action.erases) this.erased();
      else this.changed();
    } catch (error) {
      show("unknown", action.label, sentence(error));
    }
  }
}
