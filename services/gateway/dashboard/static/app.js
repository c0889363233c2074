// Starts the page: who is signed in, navigation, theme, live connection, and one mounted page at a time.
import { get, sentence } from "./api.js";
import { watchConfiguration } from "./configuration.js";
import { button, clear, debounce, h, icon, say } from "./dom.js";
import { named } from "./format.js";
import * as lead from "./lead.js";
import * as leads from "./leads.js";
import * as letters from "./letters.js";
import { Live } from "./live.js";
import * as overview from "./overview.js";
import { href, start } from "./router.js";

const PAGES = [
  { page: "overview", label: "Overview", scope: "analytics:read", module: () => overview },
  { page: "leads", label: "Leads", scope: "leads:read", module: (id) => (id === null ? leads : lead) },
  { page: "letters", label: "Dead letters", scope: "deadletters:manage", module: () => letters },
];
const THEMES = { system: ["system", "Theme: same as the system"], light: ["sun", "Theme: light"], dark: ["moon", "Theme: dark"] };
const LOST_MS = 5000;
const main = document.getElementById("main");

async function boot() {
  themeSwitch();
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  try {
    begin(await get("/v1/me"));
  } catch (error) {
    clear(main, failure(error, () => boot()));
  }
}

function begin(me) {
  const allowed = PAGES.filter((one) => me.scopes.includes(one.scope));
  const links = allowed.map((one) => h("a", { href: href(one.page), "data-page": one.page }, one.label));
  clear(document.getElementById("nav"), links);
  who(me);
  const live = new Live(linkState());
  watchConfiguration(me, live, document.getElementById("configuration"));
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

function title(text) {
  document.title = `${text} · Kitchen Pantry CRM`;
}

function who(me) {
  clear(
    document.getElementById("who"),
    h("p", { class: "who-name" }, h("strong", {}, me.name), h("span", {}, named(me.role))),
    h("form", { method: "post", action: "/signout" }, h("button", { class: "button quiet sign-out" }, icon("leave"), h("span", {}, "Sign out"))),
  );
}

// The state of the live connection. A short break is normal: the server ends each stream after some minutes.
function linkState() {
  const place = document.getElementById("link-state");
  let lost = false;
  const tellLost = debounce(() => {
    lost = true;
    show("lost", "Reconnecting…");
    say("Live updates stopped. Reconnecting.");
    get("/v1/me").catch(() => {}); // an ended session goes to the sign-in page
  }, LOST_MS);
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
  const place = document.getElementById("theme");
  const names = Object.keys(THEMES);
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

function failure(error, again) {
  return h("div", { class: "card state", role: "alert" }, h("h1", {}, "The dashboard can't start"), h("p", {}, sentence(error)), button("Try again", again, { kind: "primary" }));
}

boot();
