// A list of posts: a page, and more of it as its end comes near. What is above never moves by itself.

import { element } from "../element.js";
import { morphChildren } from "../morph.js";
import { cardParts } from "./card.js";
import { explain, isExpired } from "./words.js";

const PAGE = 20;
const POSTS_MAX = 500; // then whoever reads goes back to the top: a page that grows for ever becomes slow

export class PostList {
  ids = [];
  #page;
  #fetch;
  #empty;
  #next = null;
  #loading = false;
  #feed;
  #foot;
  #cards = new Map(); // id -> article
  #onChange = ({ detail }) => this.#draw(detail);
  #observer;

  /** `fetch({limit, cursor})` resolves with a page of posts; `empty`: what is said where there are none. */
  constructor(page, { label, fetch, empty }) {
    this.#page = page;
    this.#fetch = fetch;
    this.#empty = empty;
    this.#feed = element("div", { class: "feed", "aria-busy": "true" });
    this.#foot = element("div", { class: "foot" });
    this.node = element("section", { "aria-label": label }, this.#feed, this.#foot);
    this.#observer = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.more(), { rootMargin: "800px" });
    page.posts.addEventListener("change", this.#onChange);
  }

  /** From its beginning. What is shown stays until there is something else. */
  async begin() {
    this.#observer.disconnect();
    const page = await this.#load(null);
    if (!page) return false;
    for (const id of this.ids.splice(0)) this.#drop(id);
    this.#append(page);
    return true;
  }

  async more() {
    if (this.#next === null || this.#loading) return;
    const page = await this.#load(this.#next);
    if (page) this.#append(page);
  }

  /** Above all that is shown, the newest first. */
  prepend(ids) {
    const fresh = ids.filter((id) => !this.#cards.has(id));
    this.ids.unshift(...fresh);
    this.#feed.prepend(...fresh.map((id) => this.#card(id, true)));
    this.#number();
    this.#footing();
  }

  /** Is no more part of the page. */
  leave() {
    this.#observer.disconnect();
    this.#page.posts.removeEventListener("change", this.#onChange);
    for (const id of [...this.#cards.keys()]) this.#drop(id);
  }

  remove(id) {
    this.ids = this.ids.filter((one) => one !== id);
    this.#drop(id);
    this.#number();
    this.#footing();
  }

  async #load(cursor) {
    this.#loading = true;
    this.#feed.setAttribute("aria-busy", "true");
    this.#foot.replaceChildren(element("p", { class: "spinner-line" }, element("span", { class: "spinner", "aria-hidden": "true" }), element("span", { class: "vh" }, "Loading")));
    try {
      return await this.#fetch({ limit: PAGE, ...(cursor === null ? {} : { cursor }) });
    } catch (error) {
      const again = () => (cursor === null || isExpired(error) ? this.begin() : this.more());
      this.#foot.replaceChildren(element("p", { class: "hint", role: "alert" }, explain(error)), element("button", { type: "button", class: "quiet", onclick: again }, "Try again"));
      return null;
    } finally {
      this.#loading = false;
      this.#feed.setAttribute("aria-busy", "false");
    }
  }

  #append({ posts = [], next = null }) {
    const fresh = this.#page.posts.put(posts).filter((id) => !this.#cards.has(id));
    this.ids.push(...fresh);
    this.#feed.append(...fresh.map((id) => this.#card(id, false)));
    this.#next = this.ids.length < POSTS_MAX ? next : null;
    this.#number();
    this.#footing(next !== null);
    this.#observer.disconnect(); // observed anew, it is reported anew, where the page is still too short
    if (this.#next !== null) this.#observer.observe(this.#foot);
  }

  #footing(hasMore = this.#next !== null) {
    if (this.#next !== null) return this.#foot.replaceChildren();
    const up = element("button", { type: "button", class: "quiet", onclick: () => scrollTo({ top: 0 }) }, "Back to the top");
    const words = this.ids.length ? (hasMore ? "That is a lot of posts." : "That is all.") : this.#empty;
    this.#foot.replaceChildren(element("p", { class: "hint" }, words), this.ids.length > PAGE ? up : "");
  }

  #card(id, isNew) {
    const node = element("article", { class: isNew ? "post new" : "post", "data-post": id, tabindex: "-1" }, element("div", { class: "body" }));
    this.#cards.set(id, node);
    this.#draw(id);
    this.#page.seen.watch(node);
    return node;
  }

  #draw(id) {
    const node = this.#cards.get(id);
    const post = this.#page.posts.get(id);
    if (!node || !post) return;
    node.setAttribute("aria-label", post.gone ? "A post that is gone" : `Post by ${post.name || post.author}`);
    morphChildren(node.querySelector(".body"), cardParts(post, { me: this.#page.session.user, ...this.#page.open.get(id) }));
  }

  #drop(id) {
    const node = this.#cards.get(id);
    if (!node) return;
    this.#page.seen.unwatch(node);
    node.dispatchEvent(new CustomEvent("leave"));
    node.remove();
    this.#cards.delete(id);
  }

  #number() {
    if (this.ids.length) this.#feed.setAttribute("role", "feed");
    else this.#feed.removeAttribute("role"); // one without articles is none
    const size = this.#next === null ? String(this.ids.length) : "-1"; // not known yet
    this.ids.forEach((id, at) => {
      const node = this.#cards.get(id);
      node.setAttribute("aria-posinset", String(at + 1));
      node.setAttribute("aria-setsize", size);
    });
  }
}
