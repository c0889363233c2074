// The page in the address, such as #/leads/ID?status=new. One page is mounted at a time.
export function parse(hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?");
  const [page = "", ...rest] = path.split("/");
  return { page: page || "overview", id: rest.length ? safeDecoded(rest.join("/")) : null, query: new URLSearchParams(search) };
}

function safeDecoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function href(page, id = null, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const search = given.length ? `?${new URLSearchParams(given)}` : "";
  return `#/${page}${id === null ? "" : `/${encodeURIComponent(id)}`}${search}`;
}

// Writes the filters to the address without a new entry in the history.
export function remember(address) {
  history.replaceState(history.state, "", address);
}

export function start(mount) {
  const go = () => mount(parse(location.hash));
  addEventListener("hashchange", go);
  go();
}
