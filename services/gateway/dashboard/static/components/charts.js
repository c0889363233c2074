// Charts: Apache ECharts, loaded when the first one is wanted, in the page's own colours, as SVG.
import { button, clear, h, setText } from "../core/dom.js";

const LIBRARY = "/dashboard/vendor/echarts.common.min.js";
const TOKENS = ["ink", "soft", "edge", "card", "bar", "bar-quiet"];
const paper = matchMedia("print");
const still = matchMedia("(prefers-reduced-motion: reduce)");
/** @type {Promise<Charts> | undefined} */
let library;

/** @returns {Promise<Charts>} */
function loaded() {
  library ??= new Promise((/** @type {(charts: Charts) => void} */ done, fail) => {
    const script = h("script", { src: LIBRARY, on: { load: () => done(window.echarts), error: fail } });
    document.head.append(script);
  }).catch((error) => {
    library = undefined; // the next chart tries again
    throw error;
  });
  return library;
}

// The theme's colours, resolved: the chart library knows neither custom properties nor light-dark().
function palette() {
  const probe = h("span", {});
  document.body.append(probe);
  /** @type {Colours} */
  const colours = {};
  for (const token of TOKENS) {
    probe.style.color = `var(--${token})`;
    colours[token] = getComputedStyle(probe).color;
  }
  probe.remove();
  return colours;
}

/** @param {Colours} colours */
function base(colours) {
  return {
    animation: !still.matches,
    animationDuration: 300,
    animationDurationUpdate: 300,
    aria: { enabled: false },
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: colours.soft },
    tooltip: {
      trigger: "axis",
      confine: true,
      transitionDuration: 0,
      backgroundColor: colours.card,
      borderColor: colours.edge,
      padding: [8, 12],
      textStyle: { color: colours.ink, fontSize: 13 },
      axisPointer: { type: "shadow", shadowStyle: { color: colours.soft, opacity: 0.08 } },
    },
  };
}

/**
 * The tooltip: one head, and a line for each value.
 *
 * @param {string} head
 * @param {...[name: string, value: string]} lines
 */
export function tip(head, ...lines) {
  return h("div", { class: "tip" }, h("strong", {}, head), lines.map(([name, value]) => h("div", {}, h("span", {}, name), h("b", {}, value))));
}

// A chart with its text alternatives: a summary sentence, and the same numbers as a table.
export class ChartCard {
  /** @type {Chart | null} */
  #chart = null;
  /** @type {Figure | null} */
  #figure = null;
  #asTable = false;
  /** @type {() => void} */
  #stop;

  /**
   * @param {string} title
   * @param {{tall?: boolean, className?: string}} look
   */
  constructor(title, { tall = false, className = "" } = {}) {
    this.plot = h("div", { class: `plot${tall ? " tall" : ""}`, role: "img" });
    this.table = h("div", { class: "scroller", hidden: true, tabindex: 0, role: "region", "aria-label": `${title}: table` });
    this.summary = h("p", { class: "soft summary" });
    this.note = h("p", { class: "note", hidden: true });
    this.legend = h("ul", { class: "legend", hidden: true });
    this.toggle = button("Table", () => this.#turn(), { kind: "quiet small no-print", icon: "table", "aria-label": `Show ${title} as a table` });
    this.title = title;
    this.element = h(
      "section",
      { class: `card chart ${className}`, "aria-label": title },
      h("div", { class: "card-head" }, h("h2", {}, title), this.toggle),
      this.summary,
      this.legend,
      this.plot,
      this.table,
      this.note,
    );
    const redraw = () => this.#draw();
    const observer = new ResizeObserver(() => this.#fit());
    observer.observe(this.plot);
    addEventListener("themechange", redraw);
    this.#stop = () => {
      observer.disconnect();
      removeEventListener("themechange", redraw);
      this.#chart?.dispose();
    };
  }

  /**
   * `figure`: summary, head, rows, option(colours), and perhaps note, legend and nothing (a sentence instead of a chart).
   *
   * @param {Figure} figure
   */
  show(figure) {
    this.#figure = figure;
    setText(this.summary, figure.summary);
    setText(this.note, figure.note ?? "");
    this.note.hidden = !figure.note;
    this.legend.hidden = !figure.legend;
    clear(this.legend, (figure.legend ?? []).map(([kind, text]) => h("li", { class: `key-${kind}` }, text)));
    this.plot.setAttribute("aria-label", figure.summary);
    clear(this.table, tableOf(this.title, figure));
    this.toggle.hidden = Boolean(figure.nothing);
    this.plot.classList.toggle("lying", Boolean(figure.lines));
    if (figure.lines) this.plot.style.setProperty("--rows", String(figure.lines));
    this.#visibility();
    this.#draw();
  }

  #turn() {
    this.#asTable = !this.#asTable;
    setText(/** @type {Node} */ (this.toggle.lastChild), this.#asTable ? "Chart" : "Table");
    this.toggle.setAttribute("aria-label", `Show ${this.title} as a ${this.#asTable ? "chart" : "table"}`);
    this.#visibility();
    this.#draw();
  }

  #visibility() {
    const nothing = Boolean(this.#figure?.nothing);
    this.plot.hidden = this.#asTable || nothing;
    this.table.hidden = !this.#asTable || nothing;
    this.legend.hidden = this.#asTable || nothing || !this.#figure?.legend;
  }

  async #draw() {
    if (!this.#figure || this.plot.hidden) return;
    const echarts = await loaded().catch(() => null);
    if (!echarts) {
      if (!this.#asTable) this.#turn(); // the table shows the numbers
      return;
    }
    if (!this.plot.isConnected || this.plot.hidden) return;
    this.#chart ??= echarts.init(this.plot, null, { renderer: "svg" });
    const colours = palette();
    this.#chart.setOption({ ...base(colours), ...merged(base(colours), this.#figure.option(colours, this.plot.clientWidth)) }, { notMerge: false, replaceMerge: ["series"] });
    this.#fit();
    if (paper.matches) this.#chart.getZr().flush(); // paper doesn't wait for the next frame
  }

  // On paper the drawing of the screen is scaled: there is no time to lay a chart out again.
  #fit() {
    if (!this.#chart || paper.matches) return;
    this.#chart.resize({ animation: { duration: 0 } });
    this.plot.querySelector("svg")?.setAttribute("viewBox", `0 0 ${this.#chart.getWidth()} ${this.#chart.getHeight()}`);
  }

  destroy() {
    this.#stop();
  }
}

/**
 * @param {ReturnType<typeof base>} common
 * @param {ReturnType<Figure["option"]>} own
 */
const merged = (common, own) => ({ ...own, tooltip: { ...common.tooltip, ...own.tooltip } });

/**
 * @param {string} caption
 * @param {Figure} figure
 */
export function tableOf(caption, { head, rows }) {
  /**
   * @param {string} value
   * @param {number} n
   */
  const cell = (value, n) => h(n ? "td" : "th", n ? { class: "figure" } : { scope: "row" }, value);
  return h(
    "table",
    { class: "plain" },
    h("caption", { class: "out-of-sight" }, caption),
    h("thead", {}, h("tr", {}, head.map((one, n) => h("th", { scope: "col", class: n ? "figure" : null }, one)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell)))),
  );
}
