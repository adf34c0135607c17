// What is new above a list that somebody reads: how many posts, and those that have come whole. No network, no DOM.

export class News {
  waiting = []; // posts that came whole and are not shown yet, the newest first
  #told = 0; // since the list was read, as the server counts
  #shown = 0; // of these

  /** How many are new. */
  get count() {
    return Math.max(this.waiting.length, this.#told - this.#shown);
  }

  /** Has all that is new come whole, so that nothing has to be read? */
  get isWhole() {
    return this.waiting.length >= this.#told - this.#shown;
  }

  /** The list was read, here or by another device: what came before is in it, or is not asked for. */
  read() {
    this.waiting = [];
    this.#told = this.#shown = 0;
  }

  /** `feed.new`: so many since the feed was read. Gives whether that is news: else something else has come, a story. */
  told(count) {
    const isNews = count !== this.#told;
    this.#told = count;
    if (!count) this.#shown = 0;
    return isNews;
  }

  /** `feed.top`: these, the newest first, above all before. `shown`: ids of those that are on the page already. */
  came(posts, shown = []) {
    const known = new Set([...shown, ...this.waiting.map(({ id }) => id)]);
    this.waiting = [...posts.filter(({ id }) => !known.has(id)), ...this.waiting];
  }

  /** They are shown now. */
  take() {
    const taken = this.waiting;
    this.waiting = [];
    this.#shown += taken.length;
    return taken;
  }
}

/** The newest of these ids: a list in another order has it anywhere. */
export const newestOf = (ids) => ids.reduce((newest, id) => (id > newest ? id : newest), "");
