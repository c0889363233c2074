// Turns the figures of /v1/analytics into charts, tables and sentences. Pure: it touches no element.
import { tip } from "./charts.js";
import { counted, dayOf, decimal, hours, named, number, percent, span, weekdayOf } from "../core/format.js";

export const FEW = 30; // below so many leads a rate says little
const NAMES_MAX = 9;

/**
 * @typedef {{dataIndex: number}} Pointed the bar that the pointer is on
 * @typedef {Schemas["Conversion"] & {source: string}} Rated
 */

/** @param {Colours} colours */
const axisLabel = (colours) => ({ color: colours.soft, fontSize: 12, hideOverlap: true });
/** @param {Colours} colours */
const values = (colours) => ({
  type: "value",
  minInterval: 1,
  splitNumber: 4,
  axisLabel: { ...axisLabel(colours), formatter: number },
  splitLine: { lineStyle: { color: colours.edge } },
});
/**
 * @param {Colours} colours
 * @param {string[]} data
 * @param {object} label
 */
const names = (colours, data, label = {}) => ({
  type: "category",
  data,
  axisTick: { show: false },
  axisLine: { lineStyle: { color: colours.edge } },
  axisLabel: { ...axisLabel(colours), ...label },
});
const GRID = { left: 4, right: 12, top: 12, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel" };

/**
 * @param {Colours} colours
 * @param {unknown[]} data
 * @param {object} more
 */
function bar(colours, data, more = {}) {
  return { type: "bar", data, barMaxWidth: 36, itemStyle: { color: colours.bar, borderRadius: [3, 3, 0, 0] }, emphasis: { disabled: true }, ...more };
}

/**
 * Horizontal bars: names at the left, the value at each bar's end.
 *
 * @param {Colours} colours
 * @param {string[]} labels
 * @param {unknown[]} data
 * @param {(n: number) => string} format
 * @param {(n: number) => HTMLElement} tooltip
 * @param {number} width
 */
function lying(colours, labels, data, format, tooltip, width) {
  const room = Math.min(120, Math.round(width / 3));
  return {
    grid: { left: room, right: 108, top: 0, bottom: 0, outerBoundsMode: "none" },
    xAxis: { type: "value", show: false, min: 0 },
    yAxis: { ...names(colours, labels, { align: "left", margin: room, width: room - 12, overflow: "truncate", color: colours.ink, fontSize: 13, hideOverlap: false, interval: 0 }), inverse: true, axisLine: { show: false } },
    series: [bar(colours, data, {
      barWidth: "52%",
      barMinHeight: 2,
      itemStyle: { color: colours.bar, borderRadius: 3 },
      label: { show: true, position: "right", color: colours.ink, fontSize: 13, formatter: (/** @type {Pointed} */ { dataIndex }) => format(dataIndex) },
    })],
    tooltip: { formatter: (/** @type {Pointed[]} */ [{ dataIndex }]) => tooltip(dataIndex) },
  };
}

/**
 * @param {Schemas["LeadAnalytics"]} answer
 * @returns {Figure}
 */
export function seriesFigure({ series, timeframe }) {
  /** @param {Schemas["Stretch"]} one */
  const label = (one) => (timeframe === "quarter" ? `${dayOf(one.from)} – ${dayOf(one.to)}` : weekdayOf(one.from));
  const total = series.reduce((sum, one) => sum + one.total, 0);
  const most = series.reduce((best, one) => (one.total > best.total ? one : best), series[0] ?? { total: 0 });
  const unit = timeframe === "quarter" ? "week" : "day";
  const least = Math.min(...series.map((one) => one.total));
  return {
    summary: total ? `${number(least)} to ${number(most.total)} leads per ${unit}; most ${unit === "week" ? "in the week of" : "on"} ${label(most)}.` : "No leads in this period.",
    nothing: total === 0,
    head: [timeframe === "quarter" ? "Week" : "Day", "Leads", "Converted"],
    rows: series.map((one) => [label(one), number(one.total), number(one.converted)]),
    legend: [["quiet", "Leads"], ["accent", "Converted so far"]],
    option: (colours) => ({
      grid: GRID,
      xAxis: names(colours, series.map((one) => dayOf(one.from))),
      yAxis: values(colours),
      series: [
        bar(colours, series.map((one) => one.total), { itemStyle: { color: colours["bar-quiet"], borderRadius: [3, 3, 0, 0] } }),
        bar(colours, series.map((one) => one.converted), { barGap: "-100%", z: 3 }),
      ],
      tooltip: { formatter: (/** @type {Pointed[]} */ [{ dataIndex: n }]) => tip(label(series[n]), ["Leads", number(series[n].total)], ["Converted", number(series[n].converted)]) },
    }),
  };
}

/**
 * @param {Schemas["LeadAnalytics"]} answer
 * @returns {Figure}
 */
export function funnelFigure({ funnel }) {
  const first = funnel[0]?.count ?? 0;
  const last = funnel[funnel.length - 1];
  /** @param {Schemas["Stage"]} one */
  const share = (one) => (first ? percent((100 * one.count) / first) : "–");
  /** @param {number} n */
  const step = (n) => (n && funnel[n - 1].count ? percent((100 * funnel[n].count) / funnel[n - 1].count) : "–");
  return {
    summary: first ? `${number(last.count)} of ${counted(first, "lead")} ${named(last.stage).toLowerCase()} (${share(last)}).` : "No leads in this period.",
    nothing: first === 0,
    lines: funnel.length,
    head: ["Stage reached", "Leads", "Of all leads", "Of the previous stage"],
    rows: funnel.map((one, n) => [named(one.stage), number(one.count), share(one), step(n)]),
    option: (colours, width) => lying(
      colours,
      funnel.map((one) => named(one.stage)),
      funnel.map((one) => one.count),
      (n) => `${number(funnel[n].count)} · ${share(funnel[n])}`,
      (n) => tip(named(funnel[n].stage), ["Leads", number(funnel[n].count)], ["Of all leads", share(funnel[n])], ["Of the previous stage", step(n)]),
      width,
    ),
  };
}

/** @param {Rated | undefined} source */
function bestOf(source) {
  if (!source) return "No source has enough leads to compare rates.";
  if (!source.converted) return "No lead of a source with enough leads has converted yet.";
  return `${named(source.source)} converts best: ${percent(source.rate)} of ${counted(source.total, "lead")}.`;
}

/**
 * @param {Schemas["ConversionAnalytics"]} answer
 * @returns {Figure}
 */
export function sourcesFigure({ conversionsBySource }) {
  const all = Object.entries(conversionsBySource).map(([source, one]) => ({ source, ...one })).filter((one) => one.total);
  all.sort((a, b) => Number(a.total < FEW) - Number(b.total < FEW) || b.rate - a.rate || b.total - a.total);
  const best = all.find((one) => one.total >= FEW);
  const few = all.some((one) => one.total < FEW);
  return {
    summary: all.length ? bestOf(best) : "No leads in this period.",
    nothing: all.length === 0,
    note: few ? `Pale bars: fewer than ${FEW} leads, so the rate says little.` : null,
    lines: all.length,
    head: ["Source", "Rate", "Converted", "Leads (n)"],
    rows: all.map((one) => [named(one.source) + (one.total < FEW ? " (few)" : ""), percent(one.rate), number(one.converted), number(one.total)]),
    option: (colours, width) => lying(
      colours,
      all.map((one) => named(one.source)),
      all.map((one) => ({ value: one.rate, itemStyle: { color: one.total < FEW ? colours["bar-quiet"] : colours.bar, borderRadius: 3 } })),
      (n) => `${percent(all[n].rate)} · n = ${number(all[n].total)}`,
      (n) => tip(named(all[n].source), ["Rate", percent(all[n].rate)], ["Converted", number(all[n].converted)], ["Leads", number(all[n].total)]),
      width,
    ),
  };
}

/**
 * @param {Schemas["LeadAnalytics"]} answer
 * @returns {Figure}
 */
export function scoresFigure({ scoreDistribution: bands, averageScore, unscored }) {
  const total = bands.reduce((sum, one) => sum + one.count, 0);
  const hot = bands.filter((one) => one.from >= 70).reduce((sum, one) => sum + one.count, 0);
  /** @param {Schemas["Band"]} one */
  const label = (one) => `${one.from}–${one.to}`;
  return {
    summary: total ? `${counted(hot, "lead")} of ${number(total)} ${hot === 1 ? "scores" : "score"} 70 or more. The average is ${averageScore === null ? "unknown" : decimal(averageScore)}.` : "No lead in this period has a score yet.",
    nothing: total === 0,
    note: unscored ? `${counted(unscored, "lead")} not scored yet.` : null,
    head: ["Score", "Leads"],
    rows: bands.map((one) => [label(one), number(one.count)]),
    option: (colours) => ({
      grid: GRID,
      xAxis: names(colours, bands.map((one) => String(one.from)), { interval: 0 }),
      yAxis: values(colours),
      series: [bar(colours, bands.map((one) => one.count), { barCategoryGap: "12%", barMaxWidth: 72 })],
      tooltip: { formatter: (/** @type {Pointed[]} */ [{ dataIndex: n }]) => tip(`Score ${label(bands[n])}`, ["Leads", number(bands[n].count)]) },
    }),
  };
}

/**
 * As narrow as possible: a phone shows nine spans side by side.
 *
 * @param {string} label
 */
const inTwo = (label) => label.replace(/–|> /, (sign) => `${sign.trim()}\n`).replace(" ", "\u2009");

/**
 * Not "within under a minute".
 *
 * @param {number} value
 */
const within = (value) => `within ${hours(value).replace("under ", "")}`;

/**
 * @param {Schemas["ConversionAnalytics"]} answer
 * @returns {Figure}
 */
export function timesFigure({ timeToConversion: bins, medianTimeToConversion: median, p90TimeToConversion: p90 }) {
  const total = bins.reduce((sum, one) => sum + one.count, 0);
  /** @param {Schemas["Took"]} one */
  const label = (one) => span(one.fromHours, one.toHours);
  return {
    summary: total && median !== null ? `Half convert ${within(median)}${p90 === null ? "" : `, nine in ten ${within(p90)}`}.` : "No lead in this period has converted yet.",
    nothing: total === 0,
    head: ["Time to convert", "Leads"],
    rows: bins.map((one) => [label(one), number(one.count)]),
    option: (colours) => ({
      grid: GRID,
      xAxis: names(colours, bins.map((one) => inTwo(label(one))), { interval: 0, hideOverlap: false, fontSize: 11, lineHeight: 14 }),
      yAxis: values(colours),
      series: [bar(colours, bins.map((one) => one.count), { barCategoryGap: "12%", barMaxWidth: 72 })],
      tooltip: { formatter: (/** @type {Pointed[]} */ [{ dataIndex: n }]) => tip(label(bins[n]), ["Converted", number(bins[n].count)]) },
    }),
  };
}

/**
 * Counts by name, the largest first; the smallest are summed up as "Others".
 *
 * @param {Record<string, number>} counts
 * @param {[one: string, many: string, head: string]} noun
 * @returns {Figure}
 */
export function countsFigure(counts, noun) {
  const all = Object.entries(counts).map(([name, count]) => /** @type {[string, number]} */ ([named(name), count])).filter(([, count]) => count);
  all.sort((a, b) => b[1] - a[1]);
  const total = all.reduce((sum, [, count]) => sum + count, 0);
  const rest = all.slice(NAMES_MAX).reduce((sum, [, count]) => sum + count, 0);
  /** @type {[string, number][]} */
  const shown = rest ? [...all.slice(0, NAMES_MAX), [`${all.length - NAMES_MAX} others`, rest]] : all;
  /** @param {number} count */
  const share = (count) => percent((100 * count) / total);
  return {
    summary: total ? `${all[0][0]} is the largest of ${counted(all.length, noun[0], noun[1])}, with ${share(all[0][1])} of leads.` : "No leads in this period.",
    nothing: total === 0,
    lines: shown.length,
    head: [noun[2], "Leads", "Of all leads"],
    rows: all.map(([name, count]) => [name, number(count), share(count)]),
    option: (colours, width) => lying(
      colours,
      shown.map(([name]) => name),
      shown.map(([, count]) => count),
      (n) => `${number(shown[n][1])} · ${share(shown[n][1])}`,
      (n) => tip(shown[n][0], ["Leads", number(shown[n][1])], ["Of all leads", share(shown[n][1])]),
      width,
    ),
  };
}
