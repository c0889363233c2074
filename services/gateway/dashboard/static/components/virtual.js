// A list of any length; only the visible rows are in the page. All rows have one height.
import { focusedIn } from "../core/dom.js";

const OVERSCAN = 8;
const PRINTED_MAX = 1000;

export class VirtualRows {
  /** @type {HTMLElement} */
  #place;
  /** @type {(item: Lead, index: number) => HTMLElement} */
  #row;
  /** @type {(event: KeyboardEvent) => void} */
  #keys;
  /** @type {() => void} */
  #onEnd;
  /** @type {Lead[]} */
  #items = [];
  /** @type {Map<number, HTMLElement>} */
  #shown = new Map(); // index → element
  #frame = 0;
  #height = 64;
  #printing = false;

  /**
   * `row(item, index)` makes an element of one line. `onEnd` is called near the end of the list.
   *
   * @param {HTMLElement} place
   * @param {(item: Lead, index: number) => HTMLElement} row
   * @param {() => void} onEnd
   */
  constructor(place, row, onEnd) {
    this.#place = place;
    this.#row = row;
    this.#onEnd = onEnd;
    this.#keys = (event) => this.#move(event);
    this.later = () => {
      this.#frame ||= requestAnimationFrame(() => {
        this.#frame = 0;
        this.#draw();
      });
    };
    this.resized = () => {
      this.#measure();
      this.later();
    };
    this.before = () => this.#print(true);
    this.after = () => this.#print(false);
    place.addEventListener("keydown", this.#keys);
    addEventListener("scroll", this.later, { passive: true });
    addEventListener("resize", this.resized);
    addEventListener("beforeprint", this.before);
    addEventListener("afterprint", this.after);
    this.#measure();
  }

  get rowHeight() {
    return this.#height;
  }

  /**
   * Sets the items. A row whose item changed is created again.
   *
   * @param {Lead[]} items
   */
  show(items) {
    const before = this.#items;
    this.#items = items;
    for (const [index, element] of this.#shown) {
      if (items[index] !== before[index]) this.#replace(index, element);
    }
    this.#draw();
  }

  destroy() {
    cancelAnimationFrame(this.#frame);
    removeEventListener("scroll", this.later);
    removeEventListener("resize", this.resized);
    removeEventListener("beforeprint", this.before);
    removeEventListener("afterprint", this.after);
  }

  /**
   * @param {number} index
   * @param {HTMLElement} element
   */
  #replace(index, element) {
    const focused = element.contains(document.activeElement);
    element.remove();
    this.#shown.delete(index);
    if (!focused || index >= this.#items.length) return;
    const fresh = this.#make(index);
    this.#place.append(fresh);
    fresh.querySelector("a")?.focus({ preventScroll: true });
  }

  #measure() {
    const probe = document.createElement("div");
    probe.className = "row-height";
    this.#place.append(probe);
    this.#height = probe.getBoundingClientRect().height || this.#height;
    probe.remove();
  }

  #range() {
    const count = this.#items.length;
    if (this.#printing) return [0, Math.min(count, PRINTED_MAX)];
    const above = -this.#place.getBoundingClientRect().top;
    const first = Math.floor(above / this.#height) - OVERSCAN;
    const last = Math.ceil((above + innerHeight) / this.#height) + OVERSCAN;
    return [Math.max(0, Math.min(first, count)), Math.max(0, Math.min(last, count))];
  }

  #draw() {
    if (!this.#place.isConnected) return;
    this.#place.style.height = `${this.#items.length * this.#height}px`;
    const [first, last] = this.#range();
    const kept = this.#focused();
    /** @param {number} index */
    const wanted = (index) => (index >= first && index < last) || index === kept;
    for (const [index, element] of this.#shown) {
      if (!wanted(index) || index >= this.#items.length) {
        element.remove();
        this.#shown.delete(index);
      }
    }
    for (let index = first; index < last; index += 1) if (!this.#shown.has(index)) this.#make(index);
    this.#order();
    if (last >= this.#items.length && !this.#printing) this.#onEnd();
  }

  /** @param {number} index */
  #make(index) {
    const element = this.#row(this.#items[index], index);
    element.style.transform = `translateY(${index * this.#height}px)`;
    element.dataset.index = String(index);
    this.#shown.set(index, element);
    return element;
  }

  // Rows are in order in the page, for the keyboard and screen readers. Rows in place are not moved.
  #order() {
    let next = this.#place.firstChild;
    for (const [, element] of [...this.#shown].sort(([a], [b]) => a - b)) {
      if (element === next) next = next.nextSibling;
      else this.#place.insertBefore(element, next);
    }
  }

  #focused() {
    const row = /** @type {HTMLElement | null | undefined} */ (focusedIn(this.#place)?.closest("[data-index]"));
    return row ? Number(row.dataset.index) : -1;
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    const at = this.#focused();
    const page = Math.max(1, Math.floor(innerHeight / this.#height) - 2);
    const end = this.#items.length - 1;
    const goal = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: end }[event.key];
    if (at < 0 || goal === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.focus(Math.max(0, Math.min(end, goal)));
  }

  /** @param {number} index */
  focus(index) {
    const top = this.#place.getBoundingClientRect().top + index * this.#height;
    const room = [140, innerHeight - this.#height - 24]; // below the sticky head, above the edge
    if (top < room[0]) scrollBy(0, top - room[0]);
    else if (top > room[1]) scrollBy(0, top - room[1]);
    if (!this.#shown.has(index)) {
      this.#make(index);
      this.#order();
    }
    this.#shown.get(index)?.querySelector("a")?.focus({ preventScroll: true });
    this.#draw();
  }

  /** @param {boolean} on */
  #print(on) {
    this.#printing = on;
    this.#draw();
  }
}
