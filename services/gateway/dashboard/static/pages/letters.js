// Dead letters: records that no worker could use, with the reason; an admin corrects and replays them.
import { get, post, query as search } from "../core/api.js";
import { ask } from "../components/dialogs.js";
import { button, clear, focusedIn, h, icon, say, setText } from "../core/dom.js";
import { counted, named, number, when } from "../core/format.js";
import { keptFresh } from "../core/live.js";
import { href, remember } from "../core/router.js";
import { empty, failed, skeleton } from "../components/states.js";
import { vocabulary } from "../core/vocabulary.js";

const PAGE = 50;
const MOST = 200;
const REFRESH_MS = 2000;
const COUNTS_MS = 30000;
const COUNTS_SHOWN = 8;

/** @param {Here} here */
export function mount({ root, id, query, live, title }) {
  title("Dead letters");
  let reason = query.get("reason") ?? "";
  let limit = PAGE;
  let chosen = id;
  /** @type {DeadLetter[]} */
  let letters = [];
  const count = h("p", { class: "soft" }, "Loading…");
  const filter = h("select", { id: "reason", on: { change: filtered } }, h("option", { value: "" }, "Any"), vocabulary.deadLetterReasons.map((one) => h("option", { value: one }, named(one))));
  filter.value = reason;
  const list = h("ul", { class: "letters" });
  const state = h("div", { class: "card" }, skeleton(5, "Loading dead letters"));
  const foot = h("div", { class: "list-foot" });
  const detail = h("div", { class: "letter-detail" });
  const split = h("div", { class: "letter-split" }, h("div", { class: "letter-list" }, state, list, foot), detail);
  const sources = h("section", { class: "card letter-counts", "aria-labelledby": "letter-counts-title", hidden: true });
  root.append(h("div", { class: "page-head" }, h("div", {}, h("h1", { tabindex: -1 }, "Dead letters"), count), h("div", { class: "choice" }, h("label", { for: "reason" }, "Reason"), filter)), sources, split);

  async function loadCounts() {
    try {
      showCounts(sources, await get("/v1/deadletters/counts"));
    } catch {
      sources.hidden = true; // the list says what is wrong
    }
  }

  /** @param {boolean} quietly */
  async function load(quietly) {
    try {
      const answer = await get(`/v1/deadletters${search({ limit, reason })}`);
      const changed = JSON.stringify(answer.letters) !== JSON.stringify(letters);
      letters = answer.letters;
      if (changed || !quietly) show(answer.more);
    } catch (error) {
      setText(count, "");
      if (!quietly) {
        clear(list);
        state.hidden = false;
        clear(state, failed(error, () => load(false), "The dead letters could not be loaded"));
      }
    }
  }

  /** @param {boolean} more */
  function show(more) {
    setText(count, more ? `The newest ${number(letters.length)}, more available` : counted(letters.length, "dead letter"));
    state.hidden = letters.length > 0;
    clear(state, letters.length ? null : reason ? empty("None with this reason") : empty("No dead letters", "Every record was handled."));
    const focused = focusedIn(list)?.dataset.id;
    clear(list, letters.map((one) => item(one, one.id === chosen, reason)));
    if (focused) /** @type {HTMLElement | null} */ (list.querySelector(`[data-id="${CSS.escape(focused)}"]`))?.focus({ preventScroll: true });
    const further = more && limit < MOST ? button("Load more", () => { limit = Math.min(MOST, limit + PAGE); load(false); }) : null;
    clear(foot, further ?? (more ? h("p", { class: "soft" }, `Only the newest ${MOST} are shown. The command pantry deadletter list shows all.`) : null));
    open();
  }

  function open() {
    const letter = letters.find((one) => one.id === chosen);
    split.classList.toggle("opened", Boolean(letter));
    if (!letter) {
      detail.dataset.key = "";
      clear(detail, letters.length ? h("div", { class: "card" }, chosen ? empty("This dead letter is not in the list") : empty("Choose a dead letter", "You see its record and the reason here.")) : null);
      return;
    }
    const key = `${letter.id} ${letter.replayedAt ?? ""}`;
    if (detail.dataset.key === key) return; // keeps what the user is editing
    detail.dataset.key = key;
    clear(detail, letterCard(letter, reason, () => load(true)));
  }

  function filtered() {
    reason = filter.value;
    limit = PAGE;
    chosen = null;
    remember(href("letters", null, { reason }));
    load(false);
  }

  /**
   * A choice keeps the list's position, and changes the address, so that the back button works.
   *
   * @param {MouseEvent} event
   */
  function choose(event) {
    const link = /** @type {HTMLAnchorElement | null} */ (/** @type {Element} */ (event.target).closest("a[data-id]"));
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.pushState(null, "", link.href);
    chosen = link.dataset.id ?? null;
    for (const one of list.querySelectorAll("a")) {
      if (one === link) one.setAttribute("aria-current", "true");
      else one.removeAttribute("aria-current");
    }
    open();
    detail.querySelector("h2")?.focus();
  }

  list.addEventListener("click", choose);
  loadCounts();
  const counting = setInterval(loadCounts, COUNTS_MS);
  const { stop } = keptFresh(live, load, REFRESH_MS);
  return () => {
    clearInterval(counting);
    stop();
  };
}

/**
 * @param {HTMLElement} card
 * @param {Schemas["DeadLetterCounts"]} answer
 */
function showCounts(card, { examined, counts }) {
  card.hidden = counts.length === 0;
  /** @param {Schemas["DeadLetterCount"]} one */
  const line = (one) => h("li", {}, h("strong", {}, number(one.letters)), ` ${named(one.reason)} from ${one.source || "an unknown source"}`);
  const rest = counts.length > COUNTS_SHOWN ? h("p", { class: "soft" }, `And ${number(counts.length - COUNTS_SHOWN)} more kinds.`) : null;
  clear(
    card,
    h("p", { id: "letter-counts-title" }, h("strong", {}, "By source")),
    h("p", { class: "soft" }, `Of the newest ${counted(examined, "dead letter")}`),
    h("ul", {}, counts.slice(0, COUNTS_SHOWN).map(line)),
    rest,
  );
}

/**
 * @param {DeadLetter} letter
 * @param {boolean} isOpen
 * @param {string} reason
 */
function item(letter, isOpen, reason) {
  return h(
    "li",
    {},
    h(
      "a",
      { href: href("letters", letter.id, { reason }), "data-id": letter.id, "aria-current": isOpen ? "true" : null, class: "letter" },
      h("span", { class: "letter-head" }, h("strong", {}, named(letter.reason)), letter.replayedAt ? h("span", { class: "badge", "data-status": "replayed" }, "Replayed") : null),
      h("span", { class: "letter-text" }, letter.detail),
      h("span", { class: "soft" }, `${letter.topic} · ${when(letter.failedAt)}`),
    ),
  );
}

/**
 * @param {DeadLetter} letter
 * @param {string} reason
 * @param {() => void} replayed
 */
function letterCard(letter, reason, replayed) {
  /**
   * @param {string} name
   * @param {string | null | undefined} value
   * @returns {Child}
   */
  const fact = (name, value) => value && [h("dt", {}, name), h("dd", {}, value)];
  const note = h("p", { class: "soft", "aria-live": "polite" });
  const text = h("textarea", { id: "record", class: "raw", rows: Math.min(24, Math.max(8, letter.value.split("\n").length + 2)), spellcheck: "false", "aria-describedby": "record-note", value: letter.value, readonly: !letter.isText });
  note.id = "record-note";
  // A textarea has one kind of line end, so its text may differ from an unchanged record.
  const came = text.value;
  const go = button("Replay…", () => confirm(letter, text.value === came ? null : text.value, replayed), { kind: "primary" });
  const judge = () => {
    const changed = text.value !== came;
    setText(/** @type {Node} */ (go.lastChild), changed ? "Replay corrected…" : "Replay…");
    setText(note, letter.isText ? `${changed ? "Changed. " : ""}${fault(text.value)}` : "This record is not text. You can replay it unchanged, but not edit it here.");
    reset.hidden = !changed;
  };
  const reset = button("Undo changes", () => { text.value = came; judge(); text.focus(); }, { kind: "quiet" });
  text.addEventListener("input", judge);
  judge();
  return h(
    "section",
    { class: "card", "aria-labelledby": "letter-title" },
    h("a", { class: "back letter-back", href: href("letters", null, { reason }) }, icon("back"), "All dead letters"),
    h("div", { class: "card-head" }, h("h2", { id: "letter-title", tabindex: -1 }, named(letter.reason)), letter.replayedAt ? h("span", { class: "badge", "data-status": "replayed" }, "Replayed") : null),
    h("p", {}, letter.detail),
    h("dl", { class: "facts pairs" }, fact("Failed", when(letter.failedAt)), fact("Topic", letter.topic), fact("Consumer", letter.consumer), fact("Attempts", typeof letter.attempts === "number" ? number(letter.attempts) : null), fact("Key", letter.key), fact("Size", `${number(letter.size)} bytes`), fact("Id", letter.id), letter.replayedAt && fact("Replayed", `${when(letter.replayedAt)}${letter.replayedBy ? ` by ${letter.replayedBy}` : ""}`)),
    h("label", { for: "record", class: "raw-label" }, letter.isText ? "The record as it came. Correct it here" : "The record as it came"),
    text,
    note,
    h("div", { class: "actions" }, go, reset),
  );
}

/** @param {string} value */
function fault(value) {
  try {
    JSON.parse(value);
    return "It is valid JSON.";
  } catch (error) {
    return `It is not valid JSON: ${/** @type {Error} */ (error).message}.`;
  }
}

/**
 * @param {DeadLetter} letter
 * @param {string | null} value
 * @param {() => void} replayed
 */
async function confirm(letter, value, replayed) {
  const corrected = value !== null;
  const again = letter.replayedAt ? " It was replayed before. An event that was already handled changes nothing." : "";
  const sent = await ask({
    title: `Replay to ${letter.topic}?`,
    text: `${corrected ? "The corrected record" : "The unchanged record"} goes back to its topic, and the workers try again.${again}`,
    action: corrected ? "Replay corrected" : "Replay",
    submit: () => post(`/v1/deadletters/${encodeURIComponent(letter.id)}/replay`, corrected ? { value } : {}),
  });
  if (!sent) return;
  say("Replayed. If it fails again, it comes back as a new dead letter.");
  replayed();
}
