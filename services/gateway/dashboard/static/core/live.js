// The server's stream of changes: reconnects for ever, and reports the state of the connection.
import { paced } from "./dom.js";

const RETRY_MS = [1000, 2000, 5000, 10_000, 30_000];

export class Live {
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** @type {(state: "live" | "lost") => void} */
  #onState;
  /** @type {EventSource} */
  #source;
  #failures = 0;
  #wasOpen = false;

  /** @param {(state: "live" | "lost") => void} onState */
  constructor(onState) {
    this.#onState = onState;
    this.#source = this.#open();
    addEventListener("online", () => this.#source.readyState === EventSource.CLOSED && this.#reopen());
  }

  /**
   * Calls `listener` at each change; returns a function that ends this.
   *
   * @param {() => void} listener
   */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell() {
    for (const listener of [...this.#listeners]) listener();
  }

  #open() {
    const source = new EventSource("/v1/live");
    source.addEventListener("open", () => this.#opened());
    source.addEventListener("changed", () => this.#tell());
    source.addEventListener("error", () => this.#failed());
    return source;
  }

  #reopen() {
    this.#source.close();
    this.#source = this.#open();
  }

  #opened() {
    // Read again what changed while the stream was closed.
    if (this.#wasOpen && this.#failures) this.#tell();
    this.#failures = 0;
    this.#wasOpen = true;
    this.#onState("live");
  }

  #failed() {
    const wait = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)];
    this.#failures += 1;
    this.#onState("lost");
    // After a refusal the browser doesn't try again by itself.
    if (this.#source.readyState === EventSource.CLOSED) setTimeout(() => this.#reopen(), wait);
  }
}

/**
 * Loads now, and quietly after each change, at most once in this time, until `stop`.
 *
 * @param {Live} live
 * @param {(quietly: boolean) => Promise<void>} load
 * @param {number} milliseconds
 */
export function keptFresh(live, load, milliseconds) {
  load(false);
  const refresh = paced(() => load(true), milliseconds);
  const deaf = live.listen(refresh);
  const stop = () => {
    deaf();
    refresh.cancel();
  };
  return { again: refresh, stop };
}
