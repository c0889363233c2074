// Starts the page: who is signed in, navigation, theme, live connection, and one mounted page at a time.
import { get, sentence } from "./core/api.js";
import { watchConfiguration } from "./components/configuration.js";
import { button, byId, clear, debounce, h, icon, say } from "./core/dom.js";
import { named } from "./core/format.js";
import * as lead from "./pages/lead.js";
import * as leads from "./pages/leads.js";
import * as letters from "./pages/letters.js";
import { Live } from "./core/live.js";
import * as overview from "./pages/overview.js";
import * as tasks from "./pages/tasks.js";
import { href, start } from "./core/router.js";

/** @type {{page: string, label: string, scope: Scope, module: (id: string | null) => {mount: (here: Here) => () => void}}[]} */
const PAGES = [
  { page: "overview", label: "Overview", scope: "analytics:read", module: () => overview },
  { page: "tasks", label: "Tasks", scope: "leads:read", module: () => tasks },
  { page: "leads", label: "Leads", scope: "leads:read", module: (id) => (id === null ? leads : lead) },
  { page: "letters", label: "Dead letters", scope: "deadletters:manage", module: () => letters },
];
/** @type {Record<Theme, [picture: string, label: string]>} */
const THEMES = { system: ["system", "Theme: same as the system"], light: ["sun", "Theme: light"], dark: ["moon", "Theme: dark"] };
const LOST_MS = 5000;
const main = byId("main");

async function boot() {
  themeSwitch();
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  try {
    begin(await get("/v1/me"));
  } catch (error) {
    clear(main, failure(error, () => boot()));
  }
}

/** @param {Me} me */
function begin(me) {
  const allowed = PAGES.filter((one) => me.scopes.includes(one.scope));
  const links = allowed.map((one) => h("a", { href: href(one.page), "data-page": one.page }, one.label));
  clear(byId("nav"), links);
  who(me);
  const live = new Live(linkState());
  watchConfiguration(me, live, byId("configuration"));
  /** @type {(() => void) | null} */
  let leave = null;
  let first = true;
  start((place) => {
    leave?.();
    const found = allowed.find((one) => one.page === place.page) ?? allowed[0];
    for (const link of links) {
      if (link.dataset.page === found?.page) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (!found) {
      clear(main, h("p", { class: "card" }, "Your role has no access to these pages. Ask an administrator."));
      return;
    }
    clear(main);
    scrollTo(0, 0);
    const here = { ...place, me, live, root: main, title };
    leave = found.module(place.id).mount(here);
    if (!first) main.querySelector("h1")?.focus({ preventScroll: true });
    first = false;
  });
}

/** @param {string} text */
function title(text) {
  document.title = `${text} · Kitchen Pantry CRM`;
}

/** @param {Me} me */
function who(me) {
  clear(
    byId("who"),
    h("p", { class: "who-name" }, h("strong", {}, me.name), h("span", {}, named(me.role))),
    h("form", { method: "post", action: "/signout" }, h("button", { class: "button quiet sign-out" }, icon("leave"), h("span", {}, "Sign out"))),
  );
}

/**
 * The state of the live connection. A short break is normal: the server ends each stream after some minutes.
 *
 * @returns {(state: "live" | "lost") => void}
 */
function linkState() {
  const place = byId("link-state");
  let lost = false;
  const tellLost = debounce(() => {
    lost = true;
    show("lost", "Reconnecting…");
    say("Live updates stopped. Reconnecting.");
    get("/v1/me").catch(() => {}); // an ended session goes to the sign-in page
  }, LOST_MS);
  /** @type {(state: string, text: string) => void} */
  const show = (state, text) => {
    place.hidden = false;
    place.dataset.state = state;
    clear(place, h("span", { class: "pulse" }), h("span", {}, text));
  };
  return (state) => {
    if (state === "lost") {
      if (!lost) tellLost();
      return;
    }
    tellLost.cancel();
    if (lost) say("Live updates are back.");
    lost = false;
    show("live", "Live");
  };
}

function themeSwitch() {
  const place = byId("theme");
  const names = /** @type {Theme[]} */ (Object.keys(THEMES));
  const show = () => {
    const [picture, label] = THEMES[window.pantryTheme.current()];
    clear(place, icon(picture), h("span", { class: "out-of-sight" }, label));
    place.title = label;
  };
  place.onclick = () => {
    window.pantryTheme.choose(names[(names.indexOf(window.pantryTheme.current()) + 1) % names.length]);
    show();
    say(THEMES[window.pantryTheme.current()][1]);
  };
  show();
}

/**
 * @param {unknown} error
 * @param {() => unknown} again
 */
function failure(error, again) {
  return h("div", { class: "card state", role: "alert" }, h("h1", {}, "The dashboard can't start"), h("p", {}, sentence(error)), button("Try again", again, { kind: "primary" }));
}

boot();
