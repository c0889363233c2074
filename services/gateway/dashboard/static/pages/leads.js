// The leads: search, filters, and a list that stays quick with ten thousand of them.
import { query as asQuery } from "../core/api.js";
import { statusBadge, scoreMeter } from "../components/badges.js";
import { button, clear, h, paced, say, setText } from "../core/dom.js";
import { Filters, filtersOf, isFiltered } from "../components/filters.js";
import { ago, companyOf, counted, named, number, personOf, when } from "../core/format.js";
import { href, remember } from "../core/router.js";
import { empty, failed, skeleton } from "../components/states.js";
import { listFor } from "../core/store.js";
import { VirtualRows } from "../components/virtual.js";

const COLUMNS = ["Lead", "Company", "Status", "Score", "Source", "Owner", "Captured"];
const REFRESH_MS = 3000;

/** @param {Here} here */
export function mount({ root, query, me, live, title }) {
  title("Leads");
  let list = listFor(filtersOf(query));
  const count = h("p", { class: "soft" });
  const rows = h("div", { class: "rows", role: "rowgroup" });
  const head = h("div", { class: "row head", role: "row", "aria-rowindex": 1 }, COLUMNS.map((text) => h("div", { role: "columnheader", class: `cell-${text.toLowerCase()}` }, text)));
  const table = h("div", { class: "table card", role: "table", "aria-label": "Leads", "aria-colcount": COLUMNS.length }, h("div", { role: "rowgroup", class: "heads" }, head), rows);
  const state = h("div", { class: "card list-state" });
  const foot = h("div", { class: "list-foot no-print" });
  const file = h("a", { class: "button no-print", download: "leads.csv" }, "Export CSV");
  const filters = new Filters(list.filters, me, (values) => {
    remember(href("leads", null, values));
    list = listFor(values);
    list.scroll = 0;
    open();
  });
  root.append(h("div", { class: "page-head" }, h("div", {}, h("h1", { tabindex: -1 }, "Leads"), count), file), filters.element, table, state, foot);
  const virtual = new VirtualRows(rows, row, () => list.loaded && !list.error && more());

  async function open() {
    if (list.loaded) {
      show();
      refresh();
      return;
    }
    const asked = list;
    table.setAttribute("aria-busy", "true");
    if (!rows.childElementCount) wait();
    await list.more();
    if (asked !== list || !table.isConnected) return;
    show();
    if (!list.error) say(list.leads.length ? summary(list) : "No leads match.");
  }

  function wait() {
    table.hidden = true;
    state.hidden = false;
    clear(state, skeleton(8, "Loading leads"));
    clear(foot);
    setText(count, "Loading…");
  }

  async function more() {
    if (list.busy || list.ended) return;
    const asked = list;
    const loading = list.more();
    footer();
    await loading;
    if (asked === list && table.isConnected) show();
  }

  function show() {
    const nothing = list.leads.length === 0;
    table.removeAttribute("aria-busy");
    table.hidden = nothing;
    state.hidden = !nothing;
    table.setAttribute("aria-rowcount", String(list.ended ? list.leads.length + 1 : -1));
    clear(state, nothing ? nothingThere() : null);
    setText(count, list.error && nothing ? "" : summary(list));
    file.setAttribute("href", `/v1/leads.csv${asQuery(list.filters)}`);
    file.hidden = nothing;
    virtual.show(list.leads);
    footer();
  }

  function nothingThere() {
    if (list.error) return failed(list.error, () => { wait(); open(); }, "The leads could not be loaded");
    if (isFiltered(list.filters)) {
      return empty("No leads match", "Try fewer words or other filters. A word matches the beginning of a word.", button("Clear search and filters", () => filters.reset()));
    }
    return empty("No leads yet", "A lead appears here as soon as a form, a scanner or a colleague captures it.");
  }

  function footer() {
    if (!list.loaded || list.leads.length === 0) clear(foot);
    else if (list.error) clear(foot, failed(list.error, () => more(), "The next leads could not be loaded"));
    else if (list.ended) clear(foot, h("p", { class: "soft" }, list.leads.length > 10 ? "End of the list." : ""));
    else if (list.busy) clear(foot, h("p", { class: "soft", role: "status" }, "Loading more…"));
    else clear(foot, button("Load more", () => more()));
  }

  const refresh = paced(async () => {
    const asked = list;
    const above = await list.refresh();
    if (asked !== list || !table.isConnected) return;
    const scrolled = rows.getBoundingClientRect().top < 0;
    show();
    // New rows come in above the visible ones, which stay in place.
    if (above && scrolled) scrollBy(0, above * virtual.rowHeight);
  }, REFRESH_MS);

  open();
  if (list.loaded && list.scroll) requestAnimationFrame(() => scrollTo(0, list.scroll));
  const scrolled = () => { list.scroll = scrollY; };
  addEventListener("scrollend", scrolled);
  const deaf = live.listen(refresh);
  return () => {
    removeEventListener("scrollend", scrolled);
    deaf();
    refresh.cancel();
    virtual.destroy();
  };
}

/** @param {import("../core/store.js").LeadList} list */
const summary = (list) => (list.ended ? counted(list.leads.length, "lead") : `${number(list.leads.length)} leads loaded, more available`);

/**
 * @param {Lead} lead
 * @param {number} index
 */
function row(lead, index) {
  /**
   * @param {string} name
   * @param {...Child} content
   */
  const cell = (name, ...content) => h("div", { role: "cell", class: `cell-${name}` }, content);
  return h(
    "div",
    { class: "row", role: "row", "aria-rowindex": index + 2 },
    cell("lead", h("a", { href: href("leads", lead.id) }, personOf(lead)), h("span", { class: "under soft" }, lead.contact.title ?? lead.contact.email ?? lead.contact.phone ?? "")),
    cell("company", h("span", { class: "clip" }, companyOf(lead)), h("span", { class: "under soft" }, named(lead.company?.industry))),
    cell("status", statusBadge(lead.status)),
    cell("score", scoreMeter(lead.score)),
    cell("source", named(lead.source)),
    cell("owner", lead.assignedTo ?? h("span", { class: "soft" }, "Unassigned")),
    cell("captured", h("time", { datetime: lead.createdAt, title: when(lead.createdAt) }, ago(lead.createdAt))),
  );
}
