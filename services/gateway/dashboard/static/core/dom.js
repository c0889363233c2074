// All elements of the page are made here: data becomes text, never markup.
const SVG = "http://www.w3.org/2000/svg";

/** @type {Record<string, string>} */
const ICONS = {
  sun: "M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6 7 7M17 17l1.4 1.4M5.6 18.4 7 17M17 7l1.4-1.4M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5",
  system: "M4 5h16v11H4zM9 20h6M12 16v4",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M15.5 15.5 20 20",
  filter: "M4 6h16M7 12h10M10 18h4",
  close: "M6 6l12 12M18 6 6 18",
  back: "M14 6l-6 6 6 6",
  up: "M12 19V5M6 11l6-6 6 6",
  down: "M12 5v14M6 13l6 6 6-6",
  level: "M5 12h14",
  check: "M5 12.5l4.5 4.5L19 7.5",
  table: "M4 6h16v12H4zM4 11h16M10 6v12",
  chart: "M5 19V11M12 19V5M19 19v-6",
  alert: "M12 8v5M12 16.5v.5M12 3 2.5 20h19z",
  leave: "M14 5H6v14h8M10.5 12H20M16.5 8.5 20 12l-3.5 3.5",
  call: "M7 4h3l1.5 4-2 1.5a10 10 0 0 0 5 5l1.5-2 4 1.5v3a2 2 0 0 1-2 2A15 15 0 0 1 5 6a2 2 0 0 1 2-2",
  email: "M4 6h16v12H4zM4 7l8 6 8-6",
  meeting: "M5 6h14v14H5zM5 10h14M9 4v4M15 4v4",
  todo: "M5 5h14v14H5zM8.5 12l2.5 2.5 4.5-5",
  wait: "M12 7v5l3 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
};

/**
 * Sets attributes. `on` has listeners; `style` uses the CSSOM, which the page's policy allows.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} attributes
 * @param {...Child} children
 */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  set(element, attributes);
  element.append(...nodes(children));
  return element;
}

/**
 * @param {Child[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
  return children.flatMap((one) => (Array.isArray(one) ? nodes(one) : one ? [one] : []));
}

/**
 * @param {HTMLElement} element
 * @param {Attributes} attributes
 */
function set(element, attributes) {
  const { on = {}, style = {}, ...plain } = attributes;
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, /** @type {EventListener} */ (listener));
  for (const [property, setting] of Object.entries(style)) element.style.setProperty(property, setting);
  for (const [name, value] of Object.entries(plain)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "value") Object.assign(element, { value });
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

/** @param {string} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" })) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/**
 * @param {string} label
 * @param {() => unknown} onClick
 * @param {{kind?: string, icon?: string | null, [name: string]: unknown}} [more]
 */
export function button(label, onClick, { kind = "", icon: name = null, ...attributes } = {}) {
  return h(
    "button",
    { type: "button", class: `button ${kind}`.trim(), on: { click: onClick }, ...attributes },
    name && icon(name),
    h("span", {}, label),
  );
}

/**
 * Sets text only if it differs: an unchanged node keeps its selection and focus, and stays silent.
 *
 * @param {Node} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {Element} element
 * @param {...Child} children
 */
export function clear(element, ...children) {
  element.replaceChildren(...nodes(children));
}

/**
 * The element inside `place` that has the focus.
 *
 * @param {Element} place
 */
export function focusedIn(place) {
  const focused = document.activeElement;
  return focused instanceof HTMLElement && place.contains(focused) ? focused : null;
}

/**
 * An element of index.html.
 *
 * @param {string} id
 */
export const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @type {ReturnType<typeof setTimeout> | undefined} */
let silence;

/**
 * Announces a sentence to screen readers.
 *
 * @param {string} sentence
 */
export function say(sentence) {
  const place = byId("said");
  clearTimeout(silence);
  place.textContent = "";
  requestAnimationFrame(() => {
    place.textContent = sentence;
  });
  silence = setTimeout(() => {
    place.textContent = "";
  }, 10_000);
}

/**
 * @param {() => void} run
 * @param {number} milliseconds
 */
export function debounce(run, milliseconds) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(run, milliseconds);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

/**
 * Runs `task` at most once in so many milliseconds, never twice at once, and again after a call meanwhile.
 *
 * @param {() => Promise<void>} task
 * @param {number} milliseconds
 */
export function paced(task, milliseconds) {
  let wanted = false;
  let running = false;
  let stopped = false;
  async function turn() {
    running = true;
    while (wanted && !stopped) {
      wanted = false;
      await task();
      await new Promise((done) => setTimeout(done, milliseconds));
    }
    running = false;
  }
  const ask = () => {
    wanted = true;
    if (!running) setTimeout(turn, 150);
    running = true;
  };
  ask.cancel = () => {
    stopped = true;
  };
  return ask;
}
