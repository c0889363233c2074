// The page in the address, such as #/leads/ID?status=new. One page is mounted at a time.
import { query as search } from "./api.js";

/** @param {string} hash */
export function parse(hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?");
  const [page = "", ...rest] = path.split("/");
  return { page: page || "overview", id: rest.length ? safeDecoded(rest.join("/")) : null, query: new URLSearchParams(search) };
}

/** @param {string} text */
function safeDecoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * @param {string} page
 * @param {string | null} id
 * @param {QueryValues} query
 */
export function href(page, id = null, query = {}) {
  return `#/${page}${id === null ? "" : `/${encodeURIComponent(id)}`}${search(query)}`;
}

/**
 * Writes the filters to the address without a new entry in the history.
 *
 * @param {string} address
 */
export function remember(address) {
  history.replaceState(history.state, "", address);
}

/** @param {(place: ReturnType<typeof parse>) => void} mount */
export function start(mount) {
  const go = () => mount(parse(location.hash));
  addEventListener("hashchange", go);
  go();
}
