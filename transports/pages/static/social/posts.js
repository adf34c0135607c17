// The posts that this page knows, each once, however many lists show it. A reaction is shown before the server has
// heard of it, and taken back when it refuses. No network, no DOM.

export const REACTIONS = [
  ["like", "👍", "Like"],
  ["love", "❤️", "Love"],
  ["laugh", "😄", "Laugh"],
  ["wow", "😮", "Wow"],
  ["sad", "😢", "Sad"],
  ["angry", "😠", "Angry"],
];
const POSTS_MAX = 2000; // beyond it those that were put first go; no list is so long

/** What a post shows once a reader says `reaction` of it instead of what they have said; "" is nothing. */
export function reacted({ reactions = {}, mine = "" }, reaction) {
  const next = { ...reactions };
  if (mine && (next[mine] = (next[mine] ?? 1) - 1) <= 0) delete next[mine];
  if (reaction) next[reaction] = (next[reaction] ?? 0) + 1;
  return { reactions: next, mine: reaction };
}

export const countOf = ({ reactions = {} }) => Object.values(reactions).reduce((sum, count) => sum + count, 0);

/** Events: `change` and `gone`, with a post's id in `detail`. */
export class Posts extends EventTarget {
  #posts = new Map();
  #acting = new Map(); // id -> {before, wanted}, while the server is asked

  get(id) {
    return this.#posts.get(id);
  }

  /** Posts as the server shows them, with those that they share. Their ids, in this order. */
  put(posts) {
    for (const post of posts) {
      if (post.shared) this.put([post.shared]);
      const known = this.#posts.get(post.id);
      this.#posts.delete(post.id);
      // Nothing of what is left out is so any more: the server leaves out what is empty.
      this.#posts.set(post.id, { ...(this.#acting.has(post.id) && known ? { ...post, ...pick(known) } : post), gone: false });
      this.#say("change", post.id);
    }
    for (const id of this.#posts.keys()) {
      if (this.#posts.size <= POSTS_MAX) break;
      this.#posts.delete(id);
    }
    return posts.map(({ id }) => id);
  }

  change(id, fields) {
    const known = this.#posts.get(id);
    if (!known) return;
    this.#posts.set(id, { ...known, ...fields });
    this.#say("change", id);
  }

  /** What its channel tells. While a reaction of ours is on its way, the counts may not have it yet. */
  counted(id, { reactions, comments, shares }) {
    this.change(id, { comments, shares, ...(this.#acting.has(id) ? {} : { reactions }) });
  }

  gone(id) {
    if (!this.#posts.has(id)) return;
    this.change(id, { gone: true });
    this.#say("gone", id);
  }

  /**
   * Show it at once, and have it so: `send(reaction)` resolves with what the server counts then. Of several in a row
   * one is sent at a time, and the last counts. Rejects as `send` does, once what was before is shown again.
   */
  async react(id, reaction, send) {
    const post = this.#posts.get(id);
    if (!post) return;
    const before = pick(post);
    this.change(id, reacted(post, reaction));
    const under = this.#acting.get(id);
    if (under) {
      under.wanted = reaction;
      return;
    }
    const acting = { before, wanted: reaction };
    this.#acting.set(id, acting);
    try {
      for (let sent = null; sent !== acting.wanted; ) {
        sent = acting.wanted;
        const { reactions = {}, mine = "" } = await send(sent);
        acting.before = { reactions, mine };
      }
    } finally {
      this.#acting.delete(id);
      this.change(id, acting.before);
    }
  }

  #say(name, id) {
    this.dispatchEvent(new CustomEvent(name, { detail: id }));
  }
}

const pick = ({ reactions = {}, mine = "" }) => ({ reactions, mine });
