// What is said below a post: a page of its thread, then what its channel tells. `Comments` knows no network and no DOM;
// the panel below a card is the rest.

import { confirmed } from "../dialogs.js";
import { element, icon } from "../element.js";
import { personAddress, portrait, spoken, when } from "./card.js";
import { explain, short } from "./words.js";

const MISSED_MS = 1500;
const UNKNOWN_MS = 200; // several who are new here are read at once

export class Comments {
  next = null; // the cursor of earlier ones
  #comments = new Map(); // offset -> comment
  #authors = new Set(); // whose words we were given to read: neither muted, nor across a block

  /** A page of `thread.read`. Its rows may be a moment behind: what is known already is newer. */
  page({ comments = [], next = null }) {
    for (const comment of comments) {
      this.#authors.add(comment.author);
      if (!this.#comments.has(comment.offset)) this.#comments.set(comment.offset, comment);
    }
    this.next = next;
  }

  /** The newest, as of now: what is not among them is gone. One of `user` is left out where it was said just now. */
  begin({ comments = [] } = {}, user = "") {
    const oldest = comments.length ? Math.min(...comments.map(({ offset }) => offset)) : 0;
    for (const { offset, author } of [...this.#comments.values()]) if (offset >= oldest && author !== user) this.#comments.delete(offset);
    for (const comment of comments) {
      this.#authors.add(comment.author);
      this.#comments.set(comment.offset, comment);
    }
  }

  /** One that was said here, and is known to be in the thread. */
  said(comment) {
    if (!this.#comments.has(comment.offset)) this.#comments.set(comment.offset, comment);
  }

  /** What a comment says is told apart from that there is one. True: it is to be read, for all who watch are told what
   * somebody says whom `user` may have muted. */
  publication({ data }, user = "") {
    const known = this.#comments.get(data?.comment ?? data?.offset);
    switch (data?.type) {
      case "thread.said":
        if (data.author !== user && !this.#authors.has(data.author)) return true;
        this.#comments.set(data.offset, { reply_to: 0, ...data });
        break;
      case "thread.likes":
        if (known) this.#comments.set(known.offset, { ...known, likes: data.likes });
        break;
      case "thread.deleted":
        this.#comments.delete(data.comment);
    }
    return false;
  }

  get(offset) {
    return this.#comments.get(offset);
  }

  /** `{comment, isReply}`, oldest first, each reply below what it answers: one step in, however deep it is. */
  ordered() {
    const all = [...this.#comments.values()].sort((a, b) => a.offset - b.offset);
    const roots = [];
    const repliesOf = new Map();
    const rootOf = (comment) => {
      for (let steps = 0; steps < 50 && this.#comments.has(comment.reply_to); steps++) comment = this.#comments.get(comment.reply_to);
      return comment;
    };
    for (const comment of all) {
      const root = rootOf(comment);
      if (root === comment) roots.push(comment);
      else repliesOf.set(root.offset, [...(repliesOf.get(root.offset) ?? []), comment]);
    }
    return roots.flatMap((root) => [
      { comment: root, isReply: false },
      ...(repliesOf.get(root.offset) ?? []).map((comment) => ({ comment, isReply: true })),
    ]);
  }
}

// ---- as they are shown

/** Below a card, or closed where they are open. */
export function openComments(page, card, { focus = true } = {}) {
  const open = card.querySelector(".comments");
  if (open) return card.dispatchEvent(new CustomEvent("leave"));
  const panel = new Panel(page, card.dataset.post);
  card.append(panel.node);
  card.addEventListener("leave", () => panel.leave(), { once: true });
  panel.begin();
  if (focus) panel.node.querySelector("textarea").focus();
}

class Panel {
  #page;
  #post;
  #comments = new Comments();
  #replyTo = null;
  #liked = new Set(); // by us, while this is open: the server tells how many, not who
  #list = element("ul", { "aria-label": "Comments" });
  #earlier = element("button", { type: "button", class: "link", onclick: () => this.#more() }, "Earlier comments");
  #strip = element("p", { class: "strip", hidden: true });
  #said = element("p", { class: "hint", role: "status" });
  #subscription = null;
  #missing;
  #changed;
  #isLeft = false;

  constructor(page, post) {
    this.#page = page;
    this.#post = post;
    const field = `comment-${post}`;
    const text = element("textarea", { id: field, rows: "1", maxlength: "1000", placeholder: "Write a comment", enterkeyhint: "send" });
    const form = element(
      "form",
      { class: "say" },
      element("label", { class: "vh", for: field }, "Comment"),
      text,
      element("button", { class: "icon", "aria-label": "Send" }, icon("up")),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (text.value.trim()) this.#say(text);
    });
    text.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        form.requestSubmit();
      } else if (event.key === "Escape" && this.#replyTo) this.#reply(null);
    });
    this.#earlier.hidden = true;
    this.node = element("section", { class: "comments", "aria-label": "Comments" }, this.#earlier, this.#list, this.#said, this.#strip, form);
  }

  async begin() {
    try {
      const page = await this.#page.session.ask(`thread:${this.#post}`, "read", {});
      if (this.#isLeft) return;
      this.#comments.page(page);
      this.#draw();
      // Who has read it may watch it.
      const subscription = this.#page.session.client.subscribe(`thread:${this.#post}`, {
        subscribed: () => this.#again(), // what was said meanwhile has no text there
        publication: (publication) => {
          if (this.#comments.publication(publication, this.#page.session.user)) this.#missed(publication.data.offset, UNKNOWN_MS);
          else if (publication.data?.type === "thread.commented") this.#missed(publication.offset);
          else if (publication.data?.type === "thread.edited") this.#changed = setTimeout(() => this.#isLeft || this.#again(), MISSED_MS);
          else if (publication.data?.type === "thread.said") clearTimeout(this.#changed);
          this.#draw();
        },
        unsubscribed: () => {
          if (!this.#isLeft && this.#subscription === subscription) setTimeout(() => this.begin(), MISSED_MS);
        },
      });
      this.#subscription = subscription;
    } catch (error) {
      this.#said.textContent = explain(error);
    }
  }

  async #again() {
    try {
      this.#comments.begin(await this.#page.session.ask(`thread:${this.#post}`, "read", {}), this.#page.session.user);
      this.#draw();
    } catch {
      // what is shown stays
    }
  }

  /** What a comment says comes with it, but where we are slow, and where it is not for all who watch. */
  #missed(offset, ms = MISSED_MS) {
    clearTimeout(this.#missing);
    if (!this.#comments.get(offset)) this.#missing = setTimeout(() => this.#isLeft || this.#comments.get(offset) || this.#again(), ms);
  }

  leave() {
    this.#isLeft = true;
    if (this.#subscription) this.#page.session.client.unsubscribe(this.#subscription);
    this.node.remove();
  }

  async #more() {
    await this.#page.attempt(async () => {
      this.#comments.page(await this.#page.session.ask(`thread:${this.#post}`, "read", { cursor: this.#comments.next }));
      this.#draw();
    });
  }

  async #say(field) {
    const text = field.value.trim();
    const replyTo = this.#replyTo;
    field.value = "";
    this.#reply(null);
    this.#said.textContent = "";
    try {
      const { offset, at_ms } = await this.#page.session.act(`thread:${this.#post}`, "comment", { text, ...(replyTo ? { reply_to: replyTo } : {}) });
      this.#comments.said({ offset, at_ms, author: this.#page.session.user, text, reply_to: replyTo ?? 0 });
      this.#draw();
    } catch (error) {
      if (!field.value) field.value = text; // nothing that was written is lost
      this.#said.textContent = explain(error);
    }
  }

  #reply(comment) {
    this.#replyTo = comment?.offset ?? null;
    this.#strip.hidden = !comment;
    this.#strip.replaceChildren(...(comment ? [`In reply to ${comment.author} `, element("button", { type: "button", class: "link", onclick: () => this.#reply(null) }, "Cancel")] : []));
    if (comment) this.node.querySelector("textarea").focus();
  }

  async #like(comment) {
    const isLiked = this.#liked.has(comment.offset);
    const command = isLiked ? "unlike" : "like";
    await this.#page.attempt(async () => {
      await this.#page.session.act(`thread:${this.#post}`, command, { offset: comment.offset });
      if (isLiked) this.#liked.delete(comment.offset);
      else this.#liked.add(comment.offset);
      this.#draw();
    });
  }

  async #delete(comment) {
    if (!(await confirmed(comment.text, { title: "Delete this comment?", yes: "Delete" }))) return;
    await this.#page.attempt(() => this.#page.session.act(`thread:${this.#post}`, "delete", { offset: comment.offset }));
  }

  #draw() {
    const { user } = this.#page.session;
    const isAuthor = this.#page.posts.get(this.#post)?.author === user;
    this.#earlier.hidden = this.#comments.next === null;
    const rows = this.#comments.ordered().map(({ comment, isReply }) => {
      const act = (words, label, onclick) => element("button", { type: "button", class: "link", "aria-label": label, onclick }, words);
      const isLiked = this.#liked.has(comment.offset);
      return element(
        "li",
        { class: isReply ? "comment reply" : "comment", "data-key": String(comment.offset) },
        portrait({ user: comment.author }, "avatar small"),
        element(
          "div",
          {},
          element("p", { class: "by" }, element("a", { href: personAddress(comment.author) }, element("b", {}, comment.author)), " ", when(comment.at_ms), comment.edited_ms ? " · edited" : ""),
          spoken(comment.text),
          element(
            "p",
            { class: "acts" },
            act(`${isLiked ? "Liked" : "Like"}${comment.likes ? ` · ${short(comment.likes)}` : ""}`, `${isLiked ? "Unlike" : "Like"} the comment by ${comment.author}`, () => this.#like(comment)),
            act("Reply", `Reply to ${comment.author}`, () => this.#reply(comment)),
            comment.author === user || isAuthor ? act("Delete", `Delete the comment by ${comment.author}`, () => this.#delete(comment)) : null,
          ),
        ),
      );
    });
    // Drawn anew: buttons hold what they act on. Where the focus was, it stays.
    const focused = this.#list.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    this.#list.replaceChildren(...rows);
    if (focused) [...this.#list.querySelectorAll("button")].find((button) => button.getAttribute("aria-label") === focused)?.focus();
  }
}
