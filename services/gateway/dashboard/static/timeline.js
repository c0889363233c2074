// All events of a lead, newest first, each with links to its cause and its effects.
import { get } from "./api.js";
import { button, clear, h } from "./dom.js";
import { ago, named, when } from "./format.js";
import { href } from "./router.js";
import { empty, failed, skeleton } from "./states.js";

const INPUTS = ["leads.captured", "leads.activities", "leads.engagements", "leads.qualify", "leads.update", "leads.convert", "leads.erase"];

export class Timeline {
  #events = [];
  #cursor = null;
  #loaded = false;
  #open = new Set();

  // `first`: the event in the address, shown once it is loaded.
  constructor(leadId, first = null) {
    this.leadId = leadId;
    this.first = first;
    this.path = `/v1/leads/${encodeURIComponent(leadId)}/timeline`;
    this.list = h("ol", { class: "timeline" });
    this.foot = h("div", { class: "timeline-foot no-print" });
    this.state = h("div", {});
    this.element = h("section", { class: "card", "aria-labelledby": "timeline-title" }, h("div", { class: "card-head" }, h("h2", { id: "timeline-title" }, "Timeline")), this.state, this.list, this.foot);
    clear(this.state, skeleton(5, "Loading the timeline"));
  }

  // Reads the newest page; older events stay.
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
      if (error.name !== "AbortError" && !this.#loaded) clear(this.state, failed(error, () => this.load(signal), "The timeline could not be loaded"));
    }
  }

  async #more() {
    clear(this.foot, h("p", { class: "soft", role: "status" }, "Loading older events…"));
    try {
      const { events, nextCursor } = await get(`${this.path}?limit=100&cursor=${encodeURIComponent(this.#cursor)}`);
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
    const focus = this.list.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    clear(this.state, this.#events.length ? null : empty("No activity yet"));
    const known = new Map(this.#events.map((one) => [one.eventId, one]));
    const effects = Map.groupBy ? Map.groupBy(this.#events, (one) => one.causationId) : grouped(this.#events);
    clear(this.list, this.#events.map((one) => this.#item(one, known, effects)));
    if (focus) this.list.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
  }

  #footer() {
    clear(this.foot, this.#cursor ? button("Load older", () => this.#more(), { kind: "small" }) : null);
  }

  #item(event, known, effects) {
    const cause = known.get(event.causationId);
    const led = (effects.get(event.eventId) ?? []).toReversed();
    const details = Object.entries(event.details ?? {});
    const link = (other) => this.#link(event, other);
    return h(
      "li",
      { id: `event-${event.eventId}`, tabindex: -1, "data-topic": event.topic, "data-kind": INPUTS.includes(event.topic) ? "input" : "output" },
      h("div", { class: "event-head" }, h("p", { class: "event-text" }, event.text), h("time", { datetime: event.time, class: "soft", title: when(event.time) }, ago(event.time))),
      h("p", { class: "event-by soft" }, when(event.time), " · ", event.topic, " · ", event.source),
      cause && h("p", { class: "event-link" }, "Because of ", link(cause)),
      led.length > 0 && h("p", { class: "event-link" }, "Led to ", led.flatMap((one, n) => (n ? [", ", link(one)] : [link(one)]))),
      details.length > 0 && this.#details(event, details),
    );
  }

  #link(event, other) {
    const click = (pressed) => {
      if (pressed.ctrlKey || pressed.metaKey || pressed.shiftKey) return;
      pressed.preventDefault();
      this.#go(other.eventId);
    };
    const address = href("leads", this.leadId, { event: other.eventId });
    return h("a", { href: address, "data-focus": `${event.eventId}>${other.eventId}`, on: { click } }, other.text);
  }

  #details(event, details) {
    const toggle = ({ target }) => (target.open ? this.#open.add(event.eventId) : this.#open.delete(event.eventId));
    return h(
      "details",
      { open: this.#open.has(event.eventId), on: { toggle } },
      h("summary", { "data-focus": `details:${event.eventId}` }, "Details"),
      h("dl", { class: "facts" }, details.map(([name, value]) => [h("dt", {}, named(name)), h("dd", {}, shown(value))])),
    );
  }

  #go(eventId) {
    const item = document.getElementById(`event-${eventId}`);
    item?.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    item?.focus({ preventScroll: true });
  }
}

function grouped(events) {
  const groups = new Map();
  for (const one of events) groups.set(one.causationId, [...(groups.get(one.causationId) ?? []), one]);
  return groups;
}

function shown(value) {
  if (value === null || value === undefined) return "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
