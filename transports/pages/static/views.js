// Views of the server: pages of rows, read over HTTP, or watched and kept up by what changes. No DOM.

/** A page as a channel tells of it: `begin` with all of it, then `change` by `{set: row}` and `{gone: key}`. */
export class Page {
  #rows = new Map();
  #keyOf;

  /** `keys`: the fields that tell rows apart. */
  constructor(...keys) {
    this.#keyOf = (row) => JSON.stringify(keys.map((key) => row[key]));
  }

  begin({ rows = [] } = {}) {
    this.#rows = new Map(rows.map((row) => [this.#keyOf(row), row]));
  }

  change({ set, gone } = {}) {
    if (set) this.#rows.set(this.#keyOf(set), set);
    if (gone) this.#rows.delete(this.#keyOf(gone));
  }

  /** Its rows, the greatest `field` first. */
  sorted(field) {
    return [...this.#rows.values()].sort((a, b) => b[field] - a[field]);
  }
}

/**
 * The rows of a page, the cursor of those behind them, and of a search the parts of each one's text, `[text, found, text, …]`:
 * `read("rooms/open", {search: "tea"}, {token})`. Raises: Error, with what the server says.
 */
export async function readView(path, asked, { user = "", token = null, signal } = {}) {
  const url = new URL(`api/${path}`, document.baseURI);
  url.search = new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== undefined));
  const answer = await fetch(url, { headers: headersOf({ user, token }), signal });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error?.message ?? answer.statusText);
  return { rows: body.rows, next: body.next ?? null, snippets: (body.matches ?? []).map(({ snippet }) => snippet) };
}

/** A key in a path: a slash in it is no end of it. */
export const inPath = (key) => encodeURIComponent(key).replaceAll("%40", "@");

/** Who asks, over HTTP. */
export const headersOf = ({ user = "", token = null }) =>
  token ? { Authorization: `Bearer ${token}` } : user ? { "X-Greenroom-User": bytesOf(user) } : {};

/** A header holds bytes, each as a character. */
const bytesOf = (text) => String.fromCharCode(...new TextEncoder().encode(text));
