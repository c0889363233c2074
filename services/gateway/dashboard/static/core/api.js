/**
 * Calls the gateway, and says in plain sentences what went wrong.
 *
 * @type {Record<number, string>}
 */
const SENTENCES = {
  400: "The request could not be understood. Load the page again.",
  403: "Your role does not allow this. Ask an administrator if you need it.",
  404: "This doesn't exist any more.",
  409: "Someone else changed this. Load it again.",
  413: "This is too much to send at once.",
  429: "Too many requests in a short time. Wait a moment, then try again.",
  503: "The service is busy or its database doesn't answer. Try again in a moment.",
};
const FAULTY = "Something went wrong on our side. Try again in a moment.";
const UNREACHABLE = "The server can't be reached. Check your connection, then try again.";

export class Problem extends Error {
  /**
   * @param {number} status 0: there was no answer
   * @param {{detail?: string, errors?: {path: string, message: string}[]}} problem
   */
  constructor(status, { detail = "", errors = [] } = {}) {
    super(SENTENCES[status] ?? (status ? FAULTY : UNREACHABLE));
    this.status = status;
    this.errors = errors;
    if (status === 422 || status === 409) this.message = [detail, ...errors.map(faultText)].filter(Boolean).join(" ") || FAULTY;
  }
}

/** @param {{path: string, message: string}} fault */
const faultText = ({ path, message }) => `${path}: ${message}.`.replace("..", ".");

/** @param {unknown} error */
export const isAborted = (error) => error instanceof DOMException && error.name === "AbortError";

/** @param {unknown} error */
export const statusOf = (error) => (error instanceof Problem ? error.status : null);

/** @param {unknown} error */
export const sentence = (error) => (error instanceof Problem ? error.message : FAULTY);

/**
 * @param {string} method
 * @param {string} path
 * @param {{body?: unknown, signal?: AbortSignal, headers?: Record<string, string>}} more
 * @returns {Promise<any>} what JSON holds; the callers give it a type
 */
async function call(method, path, { body, signal, headers = {} } = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      signal,
      credentials: "same-origin",
      headers: { accept: "application/json", ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (isAborted(error)) throw error;
    throw new Problem(0);
  }
  if (answer.status === 401) return leave();
  const result = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(answer.status, result);
  return result;
}

/**
 * The session has ended. The promise stays open, so that no page shows an error while it leaves.
 *
 * @returns {Promise<never>}
 */
function leave() {
  location.assign("/signin");
  return new Promise(() => {});
}

/**
 * @template {string} Address
 * @param {Address} path
 * @param {AbortSignal} [signal]
 * @returns {Promise<Answer<Address>>}
 */
export const get = (path, signal) => call("GET", path, { signal });

/**
 * @param {string} path
 * @param {unknown} body
 */
export const post = (path, body) => call("POST", path, { body });

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} body
 * @param {string} id
 * @returns {Promise<{eventId: string}>}
 */
export const send = (method, path, body, id) => call(method, path, { body, headers: { "idempotency-key": id } });

/** @param {QueryValues} values */
export function query(values) {
  const given = Object.entries(values).flatMap(([name, value]) => (value === "" || value === null || value === undefined ? [] : [[name, String(value)]]));
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

// An id for a command. Over plain HTTP there is no `crypto.randomUUID`.
export function freshId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
}
