// The overview: key figures, charts, owners, and how fresh the figures are.
import { get, isAborted, sentence } from "../core/api.js";
import { ChartCard } from "../components/charts.js";
import { clear, focusedIn, h, icon, say, setText } from "../core/dom.js";
import { countsFigure, funnelFigure, scoresFigure, seriesFigure, sourcesFigure, timesFigure } from "../components/figures.js";
import { changeOf, clockTime, counted, dayOf, decimal, hours, named, number, ownerName, percent, seconds, sentenceCase, when } from "../core/format.js";
import { keptFresh } from "../core/live.js";
import { modelCard } from "../components/model.js";
import { href, remember } from "../core/router.js";
import { failed, skeleton } from "../components/states.js";

/** @type {Record<Timeframe, string>} */
const FRAMES = { week: "Week", month: "Month", quarter: "Quarter" };
const REFRESH_MS = 2000;
const SPOKEN_MS = 60_000;

/** @param {Here} here */
export function mount({ root, query, live, title }) {
  title("Overview");
  const wanted = query.get("timeframe") ?? "";
  let frame = /** @type {Timeframe} */ (wanted in FRAMES ? wanted : "month");
  /** @type {ReturnType<typeof built> | null} */
  let view = null;
  let spoken = Date.now();
  let aborting = new AbortController();
  const freshness = h("p", { class: "soft freshness" }, "Loading figures…");
  const body = h("div", { class: "overview" });
  root.append(
    h("div", { class: "page-head" }, h("div", {}, h("h1", { tabindex: -1 }, "Overview"), freshness), frames(frame, choose)),
    body,
  );

  /** @param {boolean} quietly */
  async function load(quietly) {
    aborting.abort();
    aborting = new AbortController();
    if (!quietly) {
      setText(freshness, "Loading figures…");
      body.setAttribute("aria-busy", "true");
      if (!view) clear(body, h("div", { class: "tiles" }, Array.from({ length: 5 }, () => h("div", { class: "card" }, skeleton(2)))), h("div", { class: "card" }, skeleton(6)));
    }
    try {
      const { signal } = aborting;
      const [leads, conversions, model] = await Promise.all([
        get(`/v1/analytics/leads?timeframe=${frame}`, signal),
        get(`/v1/analytics/conversions?timeframe=${frame}`, signal),
        get("/v1/model", signal),
      ]);
      show(leads, conversions, model, quietly);
    } catch (error) {
      if (!isAborted(error)) fail(error, quietly);
    }
  }

  /**
   * @param {Schemas["LeadAnalytics"]} leads
   * @param {Schemas["ConversionAnalytics"]} conversions
   * @param {Schemas["ModelCard"]} model
   * @param {boolean} quietly
   */
  function show(leads, conversions, model, quietly) {
    if (!view) {
      view = built();
      clear(body, view.element);
    }
    body.removeAttribute("aria-busy");
    view.show(leads, conversions, model);
    clear(freshness, fresh(leads));
    if (quietly && Date.now() - spoken > SPOKEN_MS) {
      spoken = Date.now();
      say("Figures updated.");
    }
  }

  /**
   * @param {unknown} error
   * @param {boolean} quietly
   */
  function fail(error, quietly) {
    body.removeAttribute("aria-busy");
    if (quietly && view) {
      clear(freshness, h("span", { class: "fault" }, icon("alert"), ` Not updated: ${sentence(error)}`));
      return;
    }
    view?.destroy();
    view = null;
    setText(freshness, "No figures.");
    clear(body, h("div", { class: "card" }, failed(error, () => load(false), "The figures could not be loaded")));
  }

  /** @param {Timeframe} next */
  function choose(next) {
    frame = next;
    remember(href("overview", null, { timeframe: frame }));
    load(false);
  }

  const kept = keptFresh(live, load, REFRESH_MS);
  return () => {
    kept.stop();
    aborting.abort();
    view?.destroy();
  };
}

/**
 * @param {Timeframe} chosen
 * @param {(next: Timeframe) => void} choose
 */
function frames(chosen, choose) {
  const options = /** @type {[Timeframe, string][]} */ (Object.entries(FRAMES)).map(([value, label]) =>
    h("label", {}, h("input", { type: "radio", name: "timeframe", value, checked: value === chosen, on: { change: () => choose(value) } }), h("span", {}, label)),
  );
  return h("fieldset", { class: "segments no-print" }, h("legend", { class: "out-of-sight" }, "Timeframe"), options);
}

/**
 * The freshness of the figures, in words.
 *
 * @param {Schemas["LeadAnalytics"]} answer
 */
function fresh({ asOf, rollup, from, to }) {
  const range = `${dayOf(from)} – ${dayOf(to)}`;
  const upTo = asOf ? `Updated ${today(asOf) ? clockTime(asOf) : when(asOf)}` : "No figures yet";
  const states = {
    live: ["live", `${upTo} · Live`],
    behind: ["behind", `${upTo} · Behind${typeof rollup.delaySeconds !== "number" ? "" : ` by ${seconds(rollup.delaySeconds)}`}, catching up`],
    away: ["away", awaySince(rollup, upTo)],
    rebuilding: ["behind", `${upTo} · Rebuilding the figures`],
  };
  const [state, text] = states[rollup.state] ?? ["away", upTo];
  return [h("span", {}, range), h("span", { class: "fresh", "data-state": state }, h("span", { class: "pulse" }), text)];
}

/**
 * @param {Schemas["Rollup"]} rollup
 * @param {string} upTo
 */
function awaySince({ since }, upTo) {
  if (!since) return `${upTo} · The insights worker has not started`;
  return `${upTo} · No updates since ${today(since) ? clockTime(since) : when(since)}`;
}

/** @param {string} moment */
const today = (moment) => new Date(moment).toDateString() === new Date().toDateString();

function built() {
  const tiles = ["Leads", "Velocity", "Conversion rate", "Average score", "Median time to convert"].map(tile);
  const cards = {
    series: new ChartCard("Leads over time", { className: "wide", tall: true }),
    funnel: new ChartCard("Funnel", { className: "funnel" }),
    sources: new ChartCard("Sources by conversion rate"),
    times: new ChartCard("Time to convert"),
    scores: new ChartCard("Score distribution"),
    industries: new ChartCard("Industries"),
  };
  const statuses = new ChartCard("Status now");
  const owners = h("section", { class: "card owners", "aria-labelledby": "owners-title" });
  const predictions = h("div", { class: "slot predictions" });
  const element = h("div", { class: "overview-in" }, h("div", { class: "tiles" }, tiles.map((one) => one.element)), h("div", { class: "charts" }, Object.values(cards).map((one) => one.element), statuses.element, owners, predictions));
  return {
    element,
    /**
     * @param {Schemas["LeadAnalytics"]} leads
     * @param {Schemas["ConversionAnalytics"]} conversions
     * @param {Schemas["ModelCard"]} model
     */
    show(leads, conversions, model) {
      showTiles(tiles, leads, conversions);
      cards.series.show(seriesFigure(leads));
      cards.funnel.show(funnelFigure(leads));
      cards.sources.show(sourcesFigure(conversions));
      cards.times.show(timesFigure(conversions));
      cards.scores.show(scoresFigure(leads));
      cards.industries.show(countsFigure(leads.byIndustry, ["industry", "industries", "Industry"]));
      statuses.show(countsFigure(leads.byStatus, ["status", "statuses", "Status"]));
      showOwners(owners, leads.byOwner);
      clear(predictions, modelCard(model));
    },
    destroy() {
      for (const one of [...Object.values(cards), statuses]) one.destroy();
    },
  };
}

/** @param {string} label */
function tile(label) {
  const value = h("dd", { class: "tile-value" });
  const note = h("dd", { class: "tile-note soft" });
  return { element: h("dl", { class: "card tile" }, h("dt", {}, label), value, note), value, note };
}

/**
 * @param {ReturnType<typeof tile>[]} tiles
 * @param {Schemas["LeadAnalytics"]} leads
 * @param {Schemas["ConversionAnalytics"]} conversions
 */
function showTiles([total, velocity, rate, score, time], leads, conversions) {
  /**
   * @param {ReturnType<typeof tile>} tile
   * @param {string} text
   * @param {...Child} small
   */
  const put = ({ value, note }, text, ...small) => {
    setText(value, text);
    clear(note, small);
  };
  const { perDay, previousPerDay: before, changePercent: change } = leads.leadVelocity;
  const best = leads.topPerformingSources[0];
  put(total, number(leads.totalLeads), best ? `top source: ${named(best.source).toLowerCase()} (${number(best.count)})` : "none in this period");
  put(velocity, `${decimal(perDay)} a day`, trend(change), before === null ? "no earlier leads to compare with" : `from ${decimal(before)} in the previous ${leads.timeframe}`);
  put(rate, percent(conversions.overallConversionRate), `${number(conversions.convertedLeads)} of ${counted(conversions.totalLeads, "lead")}`);
  put(score, leads.averageScore === null ? "–" : decimal(leads.averageScore), leads.unscored ? `${number(leads.unscored)} not scored yet` : "of 100");
  const median = conversions.medianTimeToConversion;
  const average = conversions.averageTimeToConversion;
  put(time, median === null ? "–" : sentenceCase(hours(median)), median === null ? "none converted yet" : `average ${hours(average ?? median)}`);
}

/** @param {number | null} change */
function trend(change) {
  if (change === null) return null;
  const [name, word] = change > 0.5 ? ["up", "up"] : change < -0.5 ? ["down", "down"] : ["level", "level"];
  return h("span", { class: `trend ${word}` }, icon(name), h("span", { class: "out-of-sight" }, `${word} `), changeOf(change), " ");
}

/**
 * @param {HTMLElement} place
 * @param {Schemas["LeadAnalytics"]["byOwner"]} byOwner
 */
function showOwners(place, byOwner) {
  const rows = Object.entries(byOwner).sort(([, a], [, b]) => b.open - a.open);
  const most = Math.max(1, ...rows.map(([, one]) => one.open));
  /** @param {[string, Schemas["Owned"]]} entry */
  const line = ([name, one]) =>
    h(
      "tr",
      {},
      h("th", { scope: "row", class: "load" }, h("a", { href: href("leads", null, { assignedTo: name }) }, ownerName(name)), h("span", { class: "load-track", "aria-hidden": "true" }, h("span", { class: "load-bar", style: { width: `${(100 * one.open) / most}%` } }))),
      h("td", { class: "figure" }, number(one.open)),
      h("td", { class: "figure" }, number(one.total)),
      h("td", { class: "figure" }, number(one.converted), one.total ? h("span", { class: "soft rate" }, ` ${percent((100 * one.converted) / one.total)}`) : null),
    );
  const head = h("tr", {}, ["Owner", "Open", "All", "Converted"].map((text, n) => h("th", { scope: "col", class: n ? "figure" : null }, text)));
  const focused = focusedIn(place)?.textContent;
  clear(
    place,
    h("div", { class: "card-head" }, h("h2", { id: "owners-title" }, "Owners’ load")),
    h("p", { class: "soft summary" }, rows.length ? "Open leads by owner, most first." : "No leads in this period."),
    rows.length ? h("div", { class: "scroller", tabindex: 0, role: "region", "aria-label": "Owners’ load: table" }, h("table", { class: "plain" }, h("thead", {}, head), h("tbody", {}, rows.map(line)))) : null,
  );
  if (focused) [...place.querySelectorAll("a")].find((one) => one.textContent === focused)?.focus({ preventScroll: true });
}

