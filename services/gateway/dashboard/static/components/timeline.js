// All events of a lead, newest first, each with links to its cause and its effects.
import { get, isAborted } from "../core/api.js";
import { button, clear, focusedIn, h } from "../core/dom.js";
import { ago, named, when } from "../core/format.js";
import { href } from "../core/router.js";
import { empty, failed, skeleton } from "./states.js";
import { vocabulary } from "../core/vocabulary.js";

export class Timeline {
  /** @type {TimelineEvent[]} */
  #events = [];
  /** @type {string | null} */
  #cursor = null;
  #loaded = false;
  /** @type {Set<string>} */
  #open = new Set();

  /**
   * `first`: the event in the address, shown once it is loaded.
   *
   * @param {string} leadId
   * @param {string | null} first
   */
  constructor(leadId, first = null) {
    this.leadId = leadId;
    this.first = first;
    /** @type {`/v1/leads/${string}/timeline`} */
    this.path = `/v1/leads/${encodeURIComponent(leadId)}/timeline`;
    this.list = h("ol", { class: "timeline" });
    this.foot = h("div", { class: "timeline-foot no-print" });
    this.state = h("div", {});
    this.element = h("section", { class: "card", "aria-labelledby": "timeline-title" }, h("div", { class: "card-head" }, h("h2", { id: "timeline-title" }, "Timeline")), this.state, this.list, this.foot);
    clear(this.state, skeleton(5, "Loading the timeline"));
  }

  /**
   * Reads the newest page; older events stay.
   *
   * @param {AbortSignal} signal
   */
  async load(signal) {
    try {
      const { events, nextCursor } = await get(`${this.path}?limit=50`, signal);
      const fresh = new Set(events.map((one) => one.eventId));
      const overlaps = this.#events.some((one) => fresh.has(one.eventId));
      this.#events = [...events, ...(overlaps ? this.#events.filter((one) => !fresh.has(one.eventId)) : [])];
      if (!overlaps) this.#cursor = nextCursor;
      this.#loaded = true;
      this.#draw();
      if (this.first) this.#go(this.first);
      this.first = null;
    } catch (error) {
      if (!isAborted(error) && !this.#loaded) clear(this.state, failed(error, () => this.load(signal), "The timeline could not be loaded"));
    }
  }

  async #more() {
    clear(this.foot, h("p", { class: "soft", role: "status" }, "Loading older events…"));
    try {
      const { events, nextCursor } = await get(`${this.path}?limit=100&cursor=${encodeURIComponent(this.#cursor ?? "")}`);
      const known = new Set(this.#events.map((one) => one.eventId));
      const older = events.filter((one) => !known.has(one.eventId));
      this.#events = [...this.#events, ...older];
      this.#cursor = nextCursor;
      this.#draw();
      if (older.length) this.#go(older[0].eventId);
    } catch (error) {
      clear(this.foot, failed(error, () => this.#more(), "Older events could not be loaded"));
    }
  }

  #draw() {
    const key = JSON.stringify(this.#events.map((one) => one.eventId));
    this.#footer();
    if (key === this.list.dataset.key) return;
    this.list.dataset.key = key;
    const focus = focusedIn(this.list)?.dataset.focus;
    clear(this.state, this.#events.length ? null : empty("No activity yet"));
    const known = new Map(this.#events.map((one) => [one.eventId, one]));
    const effects = Map.groupBy ? Map.groupBy(this.#events, (one) => one.causationId) : grouped(this.#events);
    clear(this.list, this.#events.map((one) => this.#item(one, known, effects)));
    if (focus) /** @type {HTMLElement | null} */ (this.list.querySelector(`[data-focus="${CSS.escape(focus)}"]`))?.focus({ preventScroll: true });
  }

  #footer() {
    clear(this.foot, this.#cursor ? button("Load older", () => this.#more(), { kind: "small" }) : null);
  }

  /**
   * @param {TimelineEvent} event
   * @param {Map<string, TimelineEvent>} known
   * @param {Map<string | null, TimelineEvent[]>} effects
   */
  #item(event, known, effects) {
    const cause = known.get(event.causationId ?? "");
    const led = (effects.get(event.eventId) ?? []).toReversed();
    const details = Object.entries(event.details ?? {});
    /** @param {TimelineEvent} other */
    const link = (other) => this.#link(event, other);
    return h(
      "li",
      { id: `event-${event.eventId}`, tabindex: -1, "data-topic": event.topic, "data-kind": vocabulary.inputs.includes(event.topic) ? "input" : "output" },
      h("div", { class: "event-head" }, h("p", { class: "event-text" }, event.text), h("time", { datetime: event.time, class: "soft", title: when(event.time) }, ago(event.time))),
      h("p", { class: "event-by soft" }, when(event.time), " · ", event.topic, " · ", event.source),
      cause && h("p", { class: "event-link" }, "Because of ", link(cause)),
      led.length > 0 && h("p", { class: "event-link" }, "Led to ", led.flatMap((one, n) => (n ? [", ", link(one)] : [link(one)]))),
      details.length > 0 && this.#details(event, details),
    );
  }

  /**
   * @param {TimelineEvent} event
   * @param {TimelineEvent} other
   */
  #link(event, other) {
    /** @param {MouseEvent} pressed */
    const click = (pressed) => {
      if (pressed.ctrlKey || pressed.metaKey || pressed.shiftKey) return;
      pressed.preventDefault();
      this.#go(other.eventId);
    };
    const address = href("leads", this.leadId, { event: other.eventId });
    return h("a", { href: address, "data-focus": `${event.eventId}>${other.eventId}`, on: { click } }, other.text);
  }

  /**
   * @param {TimelineEvent} event
   * @param {[name: string, value: unknown][]} details
   */
  #details(event, details) {
    const toggle = () => (made.open ? this.#open.add(event.eventId) : this.#open.delete(event.eventId));
    const made = h(
      "details",
      { open: this.#open.has(event.eventId), on: { toggle } },
      h("summary", { "data-focus": `details:${event.eventId}` }, "Details"),
      h("dl", { class: "facts" }, details.map(([name, value]) => [h("dt", {}, named(name)), h("dd", {}, shown(value))])),
    );
    return made;
  }

  /** @param {string} eventId */
  #go(eventId) {
    const item = document.getElementById(`event-${eventId}`);
    item?.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    item?.focus({ preventScroll: true });
  }
}

/**
 * @param {TimelineEvent[]} events
 * @returns {Map<string | null, TimelineEvent[]>}
 */
function grouped(events) {
  const groups = new Map();
  for (const one of events) groups.set(one.causationId, [...(groups.get(one.causationId) ?? []), one]);
  return groups;
}

/** @param {unknown} value */
function shown(value) {
  if (value === null || value === undefined) return "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
