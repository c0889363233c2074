// All elements of the page are made here: data becomes text, never markup.
const SVG = "http://www.w3.org/2000/svg";

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
  wait: "M12 7v5l3 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
};

// Sets attributes. `on` has listeners; `style` uses the CSSOM, which the page's policy allows.
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  set(element, attributes ?? {});
  element.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "style") {
      for (const [property, setting] of Object.entries(value)) element.style.setProperty(property, setting);
    } else if (name === "value") {
      element.value = value;
    } else {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
}

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

export function button(label, onClick, { kind = "", icon: name = null, ...attributes } = {}) {
  return h(
    "button",
    { type: "button", class: `button ${kind}`.trim(), on: { click: onClick }, ...attributes },
    name && icon(name),
    h("span", {}, label),
  );
}

// Sets text only if it differs: an unchanged node keeps its selection and focus, and stays silent.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function clear(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(Boolean));
}

let silence;

// Announces a sentence to screen readers.
export function say(sentence) {
  const place = document.getElementById("said");
  clearTimeout(silence);
  place.textContent = "";
  requestAnimationFrame(() => {
    place.textContent = sentence;
  });
  silence = setTimeout(() => {
    place.textContent = "";
  }, 10_000);
}

export function debounce(run, milliseconds) {
  let timer;
  const later = (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...given), milliseconds);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

// Runs `task` at most once in so many milliseconds, never twice at once, and again after a call meanwhile.
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
