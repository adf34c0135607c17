// The dialog that finds rooms and messages: with nothing typed the directory, then what has these words.

import { element } from "./element.js";
import { inPath, readView } from "./views.js";

const DIRECTORY_MAX = 50;
const ROOMS_MAX = 8;
const MESSAGES_MAX = 30;
const CALM_MS = 180; // after the last key

const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Rooms of the directory whose title or key has this in it. A search of whole words alone would miss what is half typed. */
export function roomsLike(rows, text) {
  const wanted = text.toLowerCase();
  return rows.filter(({ title, room }) => `${title}\n${room}`.toLowerCase().includes(wanted));
}

export class Finder {
  #parts;
  #page;
  #directory = [];
  #timer = 0;
  #asking = null; // AbortController of the newest question

  /**
   * `parts`: the elements dialog, input, found, here and hereName. `page` says who asks and what is to be done:
   * `who()` gives {user, token}, `views` a Set, `current()` a room's {key, name}, `nameOf(key, title)`, `called(user)`, `urlOf(key)`,
   * `open(key, offset)`.
   */
  constructor(parts, page) {
    this.#parts = parts;
    this.#page = page;
    const { dialog, input, found, here } = parts;
    input.addEventListener("input", () => this.#soon());
    here.addEventListener("change", () => this.#search());
    input.form.addEventListener("submit", (event) => {
      event.preventDefault();
      found.querySelector("a")?.click();
    });
    dialog.addEventListener("keydown", (event) => this.#key(event));
    dialog.addEventListener("close", () => this.#stop());
  }

  async show() {
    const { dialog, input, here, hereName } = this.#parts;
    const { key, name } = this.#page.current();
    here.checked = false;
    here.parentElement.hidden = !key || !this.#page.views.has("messages");
    hereName.textContent = name;
    input.value = "";
    this.#parts.found.replaceChildren();
    if (!dialog.open) dialog.showModal();
    input.focus();
    this.#directory = [];
    if (this.#page.views.has("rooms")) {
      try {
        this.#directory = (await readView("rooms/open", { limit: DIRECTORY_MAX }, this.#page.who())).rows;
      } catch (error) {
        return this.#say(error.message);
      }
    }
    if (!input.value) this.#draw(this.#directory, [], []);
    else if (dialog.open) this.#soon(); // what was searched meanwhile was searched without it
  }

  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#search(), CALM_MS);
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#asking = null;
  }

  async #search() {
    this.#stop();
    const text = this.#parts.input.value.trim();
    if (!text) return this.#draw(this.#directory, [], []);
    const { views } = this.#page;
    const who = this.#page.who();
    const here = this.#parts.here.checked;
    const asking = (this.#asking = new AbortController());
    const ask = (path, limit) => readView(path, { search: text, limit }, { ...who, signal: asking.signal });
    const nothing = { rows: [], snippets: [] };
    const place = here ? `messages/${inPath(this.#page.current().key)}` : `conversations/${inPath(who.user)}/messages`;
    const canAsk = views.has("messages") && (here || (views.has("conversations") && who.user));
    try {
      const [rooms, messages] = await Promise.all([
        views.has("rooms") && !here ? ask("rooms/open", ROOMS_MAX) : nothing,
        canAsk ? ask(place, MESSAGES_MAX) : nothing,
      ]);
      if (this.#asking !== asking) return;
      const like = here ? [] : roomsLike(this.#directory, text);
      const known = new Set(like.map(({ room }) => room));
      this.#draw([...like, ...rooms.rows.filter(({ room }) => !known.has(room))].slice(0, ROOMS_MAX), messages.rows, messages.snippets);
    } catch (error) {
      if (this.#asking === asking) this.#say(error.message);
    }
  }

  #say(text) {
    this.#parts.found.replaceChildren(element("p", { class: "hint", role: "status" }, text));
  }

  #draw(rooms, messages, snippets) {
    if (!rooms.length && !messages.length) return this.#say(this.#parts.input.value.trim() ? "Nothing found" : "No rooms yet");
    const sections = [];
    if (rooms.length) sections.push(element("h3", {}, "Rooms"), element("ul", {}, ...rooms.map((row) => this.#room(row))));
    if (messages.length) sections.push(element("h3", {}, "Messages"), element("ul", {}, ...messages.map((row, at) => this.#message(row, snippets[at] ?? [row.text]))));
    this.#parts.found.replaceChildren(...sections);
  }

  #room({ room, title, members }) {
    return this.#link(room, null, element("b", {}, `# ${this.#page.nameOf(room, title)}`), element("small", {}, `${members} ${members === 1 ? "member" : "members"}`));
  }

  #message({ room, offset, author, at_ms }, snippet) {
    const parts = snippet.map((part, at) => (at % 2 ? element("mark", {}, part) : part));
    const when = element("time", { datetime: new Date(at_ms).toISOString() }, days.format(at_ms));
    return this.#link(room, offset, element("b", {}, this.#page.called(author)), element("small", {}, `${this.#page.nameOf(room, "")} · `, when), element("span", { class: "snippet" }, ...parts));
  }

  #link(key, offset, ...children) {
    const onclick = (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      this.#parts.dialog.close();
      this.#page.open(key, offset);
    };
    return element("li", {}, element("a", { href: this.#page.urlOf(key), onclick }, ...children));
  }

  #key(event) {
    if (event.key === "Escape" && !event.isComposing) {
      event.preventDefault(); // a search field would be emptied first, and the dialog stay
      return this.#parts.dialog.close();
    }
    if (!["ArrowDown", "ArrowUp"].includes(event.key)) return;
    const stops = [this.#parts.input, ...this.#parts.found.querySelectorAll("a")];
    const at = stops.indexOf(document.activeElement);
    const to = stops[at + (event.key === "ArrowDown" ? 1 : -1)];
    if (at < 0 || !to) return;
    event.preventDefault();
    to.focus();
  }
}
