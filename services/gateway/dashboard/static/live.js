// The server's stream of changes: reconnects for ever, and reports the state of the connection.
import { paced } from "./dom.js";

const RETRY_MS = [1000, 2000, 5000, 10_000, 30_000];

export class Live {
  #listeners = new Set();
  #onState;
  #source = null;
  #failures = 0;
  #wasOpen = false;

  constructor(onState) {
    this.#onState = onState;
    this.#open();
    addEventListener("online", () => this.#source.readyState === EventSource.CLOSED && this.#open());
  }

  // Calls `listener` at each change; returns a function that ends this.
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell() {
    for (const listener of [...this.#listeners]) listener();
  }

  #open() {
    this.#source?.close();
    this.#source = new EventSource("/v1/live");
    this.#source.addEventListener("open", () => this.#opened());
    this.#source.addEventListener("changed", () => this.#tell());
    this.#source.addEventListener("error", () => this.#failed());
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
    if (this.#source.readyState === EventSource.CLOSED) setTimeout(() => this.#open(), wait);
  }
}

// Loads now, and quietly after each change, at most once in this time, until `stop`.
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
