// Shows admins the refused configuration files, above every page.
import { get } from "../core/api.js";
import { clear, h, icon, say } from "../core/dom.js";
import { counted, when } from "../core/format.js";
import { keptFresh } from "../core/live.js";

const SCOPE = "deadletters:manage";
const EVERY_MS = 30_000;
const PAUSE_MS = 10_000;
const SHOWN = 3;

/**
 * @param {Me} me
 * @param {import("../core/live.js").Live} live
 * @param {HTMLElement} place
 */
export function watchConfiguration(me, live, place) {
  if (!me.scopes.includes(SCOPE)) return;
  let known = "[]";
  const load = async () => {
    if (document.hidden) return;
    try {
      const { refused } = await get("/v1/configuration");
      const now = JSON.stringify(refused);
      if (now === known) return;
      known = now;
      show(place, refused);
    } catch {
      // The notices stay. The page itself shows that the server doesn't answer.
    }
  };
  keptFresh(live, load, PAUSE_MS);
  setInterval(load, EVERY_MS);
  document.addEventListener("visibilitychange", load);
}

/**
 * @param {HTMLElement} place
 * @param {Schemas["RefusedFile"][]} refused
 */
function show(place, refused) {
  clear(place, refused.map(notice));
  place.hidden = !refused.length;
  say(refused.length ? `Refused: ${refused.map((one) => one.file).join(", ")}.` : "Every configuration file is in use.");
}

/** @param {Schemas["RefusedFile"]} refused */
function notice({ file, worker, since, processes, faults, more }) {
  const rest = faults.length - SHOWN + more;
  const by = processes === 1 ? `The ${worker} worker` : `${counted(processes, "process", "processes")} of the ${worker} worker`;
  const on = processes === 1 ? "keeps" : "keep";
  return h(
    "section",
    { class: "config-notice", "aria-label": `${file} is refused` },
    icon("alert"),
    h(
      "div",
      { class: "config-text" },
      h("p", {}, h("strong", {}, `${file} can't be used. `), `${by} refused it on ${when(since)} and ${on} using the last good version.`),
      h("ul", {}, faults.slice(0, SHOWN).map((fault) => h("li", {}, h("code", {}, fault)))),
      h("p", {}, rest > 0 && `${counted(rest, "more fault")}. `, "Fix the file and save it: the workers load it at once. ", h("code", {}, "pantry rules check"), " lists every fault."),
    ),
  );
}
