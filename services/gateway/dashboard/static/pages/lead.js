// One lead: the person, the score, the timeline, the next steps, and the actions.
import { changing, completing } from "../components/activities.js";
import { ActionBar } from "../components/actionbar.js";
import { get, isAborted, statusOf } from "../core/api.js";
import { scoreMeter, statusBadge } from "../components/badges.js";
import { clear, h, icon } from "../core/dom.js";
import { owners } from "../components/filters.js";
import { companyOf, named, personOf, when } from "../core/format.js";
import { keptFresh } from "../core/live.js";
import { activitiesPanel, attributesPanel, card, consentPanel, contactPanel, notesPanel, nurturePanel, predictionPanel, requirementsPanel, scorePanel, statementsPanel } from "../components/panels.js";
import { href } from "../core/router.js";
import { empty, failed, skeleton } from "../components/states.js";
import { loadedList } from "../core/store.js";
import { LeadTasks } from "../components/leadtasks.js";
import { Timeline } from "../components/timeline.js";

const REFRESH_MS = 1500;

// A panel that is drawn again only when its content has changed.
class Slot {
  /** @type {string | null} */
  #key = null;

  /**
   * @param {string} name
   * @param {Child} [waiting]
   */
  constructor(name, waiting) {
    this.element = h("div", { class: `slot slot-${name}` }, waiting);
  }

  /**
   * @param {unknown} key
   * @param {() => Child} make
   */
  show(key, make) {
    const text = JSON.stringify(key ?? null);
    if (text === this.#key) return;
    this.#key = text;
    const open = [...this.element.querySelectorAll("details[open] > summary")].map((one) => one.textContent);
    clear(this.element, make());
    for (const one of this.element.querySelectorAll("details > summary")) if (open.includes(one.textContent)) /** @type {HTMLDetailsElement} */ (one.parentElement).open = true;
  }
}

/** @param {Here} here */
export function mount({ root, id: given, query, me, live, title }) {
  const id = given ?? "";
  title("Lead");
  const aborting = new AbortController();
  const path = `/v1/leads/${encodeURIComponent(id)}`;
  /**
   * @template {"" | "/score" | "/nurture" | "/prediction" | "/consent"} Rest
   * @param {Rest} rest
   * @returns {Promise<Answer<`/v1/leads/${string}${Rest}`>>}
   */
  const ask = (rest) => /** @type {Promise<Answer<`/v1/leads/${string}${typeof rest}`>>} */ (get(`${path}${rest}`, aborting.signal));
  const score = () => ask("/score").catch((error) => {
    if (statusOf(error) === 404) return null; // no score yet
    throw error;
  });
  /** @param {string} name */
  const waiting = (name) => card(name, skeleton(3, `Loading ${name.toLowerCase()}`));
  const slots = {
    head: new Slot("head", h("div", {}, h("h1", { tabindex: -1 }, "Lead"), skeleton(2, "Loading the lead"))),
    prediction: new Slot("prediction"), contact: new Slot("contact", waiting("Contact and company")), attributes: new Slot("attributes"),
    score: new Slot("score", waiting("Why this score")), requirements: new Slot("requirements"),
    nurture: new Slot("nurture", waiting("Next nurture steps")), notes: new Slot("notes"), activities: new Slot("activities"), consent: new Slot("consent"), statements: new Slot("statements"),
  };
  const tasks = new LeadTasks(id, me, () => names, () => fresh.again());
  const timeline = new Timeline(id, query.get("event"));
  /** @type {string[]} */
  let names = [];
  owners(me).then((found) => { names = found; });
  let gone = false;
  const bar = new ActionBar({ me, live, owners: () => names, changed: () => fresh.again(), erased });
  const place = h("div", { class: "lead" });
  root.append(h("a", { class: "back no-print", href: href("leads", null, loadedList()?.filters) }, icon("back"), "Leads"), place);

  function build() {
    const { head, prediction, contact, attributes, score, requirements, notes, nurture, activities, consent, statements } = slots;
    clear(
      place,
      head.element,
      bar.element,
      h("div", { class: "lead-columns" }, h("div", { class: "lead-aside" }, [tasks, contact, attributes, requirements, notes, nurture, activities, consent, statements].map((one) => one.element)), h("div", { class: "lead-main" }, prediction.element, score.element, timeline.element)),
    );
  }

  /** @param {boolean} quietly */
  async function load(quietly) {
    if (gone) return;
    let lead;
    try {
      lead = await ask("");
      loadedList()?.patch(plain(lead));
      show(lead);
    } catch (error) {
      if (!isAborted(error) && !quietly) fail(error);
      if (quietly && statusOf(error) === 404) erased();
      return;
    }
    await Promise.all([part(score, slots.score, scorePanel, "Why this score"), part(() => ask("/nurture"), slots.nurture, nurturePanel, "Next nurture steps"), part(() => ask("/consent"), slots.statements, statementsPanel, "Consent history"), predicted(lead), tasks.load(aborting.signal), timeline.load(aborting.signal)]);
  }

  /** @param {WholeLead} lead */
  function show(lead) {
    title(personOf(lead));
    slots.head.show([lead.contact, lead.company, lead.status, lead.lostReason, lead.score, lead.assignedTo, lead.convertedAt], () => heading(lead));
    slots.contact.show([lead.contact, lead.company], () => contactPanel(lead));
    slots.attributes.show(lead.attributes ?? null, () => attributesPanel(lead));
    slots.requirements.show([lead.requirements, lead.qualification], () => requirementsPanel(lead));
    slots.consent.show([lead.consent, lead.permissions, lead.context], () => consentPanel(lead));
    slots.notes.show(lead.notes ?? [], () => notesPanel(lead));
    slots.activities.show(lead.activities ?? [], () => activitiesPanel(lead, me.scopes.includes("activities:write") ? { change: (one) => bar.run(changing(one), bar.lead ?? lead), complete: (one) => bar.run(completing(one), bar.lead ?? lead) } : null));
    bar.show(lead);
  }

  /**
   * @template Part
   * @param {() => Promise<Part>} read
   * @param {Slot} slot
   * @param {(answer: Part) => Child} panel
   * @param {string} name
   */
  async function part(read, slot, panel, name) {
    try {
      const answer = await read();
      slot.show(answer, () => panel(answer));
    } catch (error) {
      if (!isAborted(error)) slot.show([statusOf(error)], () => card(name, failed(error, () => part(read, slot, panel, name))));
    }
  }

  /**
   * Only an open lead has a prediction, some moments after its capture.
   *
   * @param {WholeLead} lead
   */
  async function predicted({ status }) {
    try {
      const answer = ["converted", "lost"].includes(status) ? null : await ask("/prediction");
      slots.prediction.show(answer, () => answer && predictionPanel(answer));
    } catch (error) {
      if (statusOf(error) === 404) slots.prediction.show(null, () => null);
    }
  }

  /** @param {unknown} error */
  function fail(error) {
    const missing = statusOf(error) === 404;
    const title_ = missing ? "Lead not found" : "The lead could not be loaded";
    clear(place, h("h1", { tabindex: -1, class: "out-of-sight" }, title_), h("div", { class: "card" }, missing ? empty(title_, "It may have been erased.") : failed(error, () => { build(); load(false); }, title_)));
  }

  function erased() {
    gone = true;
    loadedList()?.drop(id);
    clear(place, h("h1", { tabindex: -1, class: "out-of-sight" }, "Erased"), h("div", { class: "card", role: "status" }, empty("This lead is erased", "Its personal data was deleted everywhere.")));
    place.querySelector("h1")?.focus();
  }

  build();
  const fresh = keptFresh(live, load, REFRESH_MS);
  return () => {
    fresh.stop();
    aborting.abort();
  };
}

/**
 * A lead in the list's form, without the fields that only this page has.
 *
 * @param {WholeLead} lead
 * @returns {Lead}
 */
function plain({ activities, notes, qualification, ...lead }) {
  return lead;
}

/** @param {WholeLead} lead */
function heading(lead) {
  const about = [lead.contact.title, lead.company?.name ? companyOf(lead) : null].filter(Boolean).join(", ");
  const opportunity = lead.convertedAt && `Converted ${when(lead.convertedAt)}, opportunity ${lead.convertedToOpportunityId}`;
  /**
   * @param {string} name
   * @param {Child} value
   */
  const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  return [
    h("div", { class: "lead-title" }, h("h1", { tabindex: -1 }, personOf(lead)), statusBadge(lead.status)),
    about && h("p", { class: "lead-about" }, about),
    h("dl", { class: "lead-facts" }, fact("Score", scoreMeter(lead.score)), fact("Owner", lead.assignedTo ?? "Unassigned"), fact("Source", named(lead.source)), fact("Captured", when(lead.createdAt)), lead.status === "lost" && lead.lostReason && fact("Lost because of", named(lead.lostReason))),
    opportunity && h("p", { class: "note" }, opportunity),
  ];
}
