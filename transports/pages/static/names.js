// What people are called, and their pictures: from their profiles, where the server has any. No DOM, and the page says
// how one is read.

const KNOWN_MAX = 2_000; // whoever was not shown for longest is forgotten first
const WAITING_MAX = 200; // likewise: they are asked about when they are shown again
const AT_ONCE = 4;
const CALM_MS = 30; // whoever is drawn in one go is asked about together, and drawn anew together
const FRESH_MS = 5 * 60_000;
const AGAIN_MS = 60_000; // after an answer that did not come

export class Names {
  #read;
  #changed;
  #known = new Map(); // user -> {name, picture, until}
  #waiting = new Set();
  #asking = new Set();
  #timer = 0;
  #isNews = false;

  /** `read(user)` promises {name, avatar} or nothing; null: there are no profiles here. `changed()`: draw anew. */
  constructor(read, changed) {
    this.#read = read;
    this.#changed = changed;
  }

  /** Of a user: {user, name, picture}, as far as it is known; their id is their name until then. `ask`: find it out. */
  of(user, { ask = true } = {}) {
    const known = this.#known.get(user);
    if (ask && user && this.#read && !(known?.until > Date.now())) this.#want(user);
    if (known) {
      this.#known.delete(user);
      this.#known.set(user, known);
    }
    return { user, name: known?.name || user, picture: known?.picture ?? "" };
  }

  #want(user) {
    if (this.#asking.has(user)) return;
    this.#waiting.delete(user);
    this.#waiting.add(user);
    if (this.#waiting.size > WAITING_MAX) this.#waiting.delete(this.#waiting.values().next().value);
    this.#soon();
  }

  #soon() {
    this.#timer ||= setTimeout(() => {
      this.#timer = 0;
      this.#askSome();
      if (this.#isNews) {
        this.#isNews = false;
        this.#changed();
      }
    }, CALM_MS);
  }

  #askSome() {
    for (const user of this.#waiting) {
      if (this.#asking.size >= AT_ONCE) return;
      this.#waiting.delete(user);
      this.#asking.add(user);
      this.#ask(user);
    }
  }

  async #ask(user) {
    const before = this.#known.get(user);
    let now = { name: before?.name ?? "", picture: before?.picture ?? "", until: Date.now() + AGAIN_MS };
    try {
      const found = (await this.#read(user)) ?? {};
      now = { name: found.name ?? "", picture: found.avatar ?? "", until: Date.now() + FRESH_MS };
    } catch {
      // What is shown stays as it is.
    }
    this.#asking.delete(user);
    this.#known.delete(user);
    this.#known.set(user, now);
    if (this.#known.size > KNOWN_MAX) this.#known.delete(this.#known.keys().next().value);
    this.#isNews ||= now.name !== (before?.name ?? "") || now.picture !== (before?.picture ?? "");
    this.#askSome();
    if (this.#isNews) this.#soon();
  }
}
