// The loaded leads of one set of filters. They stay loaded while another page is open.
import { get, isAborted, query } from "./api.js";

/** @typedef {Record<string, string>} Filters */

export const PAGE = 100;

export class LeadList {
  /** @type {Lead[]} */
  leads = [];
  /** @type {string | null} */
  cursor = null;
  loaded = false;
  /** @type {unknown} */
  error = null;
  scroll = 0;
  #aborting = new AbortController();
  #busy = false;

  /** @param {Filters} filters */
  constructor(filters) {
    this.filters = filters;
    this.key = JSON.stringify(filters);
  }

  get ended() {
    return this.loaded && this.cursor === null;
  }

  get busy() {
    return this.#busy;
  }

  stop() {
    this.#aborting.abort();
  }

  /** @param {string | null} cursor */
  #page(cursor) {
    return get(`/v1/leads${query({ ...this.filters, cursor, limit: PAGE })}`, this.#aborting.signal);
  }

  // Loads the next page. A failure stays in `error` until the next try.
  async more() {
    if (this.#busy || this.ended) return;
    this.#busy = true;
    this.error = null;
    try {
      const known = new Set(this.leads.map((one) => one.id));
      /** @type {Lead[]} */
      let fresh;
      do {
        // A search for what is rare can end a page before it has a lead.
        const { leads, nextCursor } = await this.#page(this.cursor);
        fresh = leads.filter((one) => !known.has(one.id));
        this.leads = [...this.leads, ...fresh];
        this.cursor = nextCursor;
      } while (fresh.length === 0 && this.cursor !== null);
      this.loaded = true;
    } catch (error) {
      if (!isAborted(error)) this.error = error;
    } finally {
      this.#busy = false;
    }
  }

  // Reads the newest page again and merges it into the list. Returns how many rows are new at the top.
  async refresh() {
    if (this.#busy || !this.loaded) return 0;
    try {
      const { leads, nextCursor } = await this.#page(null);
      return this.#overlay(leads, nextCursor);
    } catch {
      return 0; // the next change, or the person, tries again
    }
  }

  /**
   * @param {Lead[]} page
   * @param {string | null} nextCursor
   */
  #overlay(page, nextCursor) {
    if (page.length === 0 && nextCursor !== null) return 0;
    const first = this.leads[0]?.id;
    const last = this.leads.findIndex((one) => one.id === page.at(-1)?.id);
    if (last >= 0 && nextCursor !== null) {
      const ids = new Set(page.map((one) => one.id));
      this.leads = [...page.map((one) => this.#same(one)), ...this.leads.slice(last + 1).filter((one) => !ids.has(one.id))];
    } else {
      this.leads = page.map((one) => this.#same(one));
      this.cursor = nextCursor;
    }
    return Math.max(0, this.leads.findIndex((one) => one.id === first));
  }

  /**
   * Returns the present object if nothing in it changed: its row stays as it is.
   *
   * @param {Lead} lead
   */
  #same(lead) {
    const old = this.leads.find((one) => one.id === lead.id);
    return old && JSON.stringify(old) === JSON.stringify(lead) ? old : lead;
  }

  /** @param {Lead} lead */
  patch(lead) {
    this.leads = this.leads.map((one) => (one.id === lead.id ? lead : one));
  }

  /** @param {string} id */
  drop(id) {
    this.leads = this.leads.filter((one) => one.id !== id);
  }
}

/** @type {LeadList | null} */
let current = null;

/**
 * The list for these filters: the loaded one, or a new one.
 *
 * @param {Filters} filters
 */
export function listFor(filters) {
  const fresh = new LeadList(filters);
  if (current?.key !== fresh.key) {
    current?.stop();
    current = fresh;
  }
  return current;
}

export const loadedList = () => current;
