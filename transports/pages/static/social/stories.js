// Stories: the ring above the feed, and the viewer that goes through them. They go on by themselves, unless whoever
// looks wants less motion, or holds one.

import { element, icon } from "../element.js";
import { react } from "./acting.js";
import { medium, portrait, spoken, when } from "./card.js";
import { confirmed } from "../dialogs.js";

const SHOWN_MS = 5000;

/** Where a viewer is among rings: `{ring, story}`, or null behind the last and before the first. */
export function step(rings, { ring, story }, by) {
  const stories = rings[ring]?.stories ?? [];
  if (stories[story + by]) return { ring, story: story + by };
  const next = rings[ring + by];
  if (!next?.stories.length) return null;
  return { ring: ring + by, story: by > 0 ? 0 : next.stories.length - 1 };
}

/** The first story of a ring that was not seen, or its first. */
export const firstOf = ({ stories, unseen }) => (unseen && unseen <= stories.length ? stories.length - unseen : 0);

export class Ring {
  #page;
  #rings = [];

  constructor(page) {
    this.#page = page;
    this.node = element("ul", { class: "ring", "aria-label": "Stories", hidden: true });
  }

  async read() {
    try {
      const { rings = [] } = await this.#page.session.ask(`feed:${this.#page.session.user}`, "stories");
      this.#rings = rings;
    } catch {
      return; // without stories the feed is a feed
    }
    this.draw();
  }

  /** One of our own, before it comes in any answer. */
  posted(post) {
    const { user } = this.#page.session;
    const own = this.#rings.find((ring) => ring.author === user);
    if (own) own.stories.push(post);
    else this.#rings.unshift({ author: user, name: post.name, avatar: post.avatar, stories: [post], unseen: 0 });
    this.draw();
  }

  draw() {
    this.node.hidden = !this.#rings.length;
    this.node.replaceChildren(
      ...this.#rings.map((ring, at) => {
        const shown = ring.name || ring.author;
        const isOwn = ring.author === this.#page.session.user;
        const label = isOwn ? "Your stories" : `Stories by ${shown}${ring.unseen ? `, ${ring.unseen} new` : ""}`;
        return element(
          "li",
          {},
          element("button", { type: "button", class: ring.unseen ? "fresh" : "", "aria-label": label, onclick: () => this.#open({ ring: at, story: firstOf(ring) }) }, portrait({ user: ring.author, ...ring }, "avatar large"), element("span", { dir: "auto" }, isOwn ? "You" : shown)),
        );
      }),
    );
  }

  #open(at) {
    new Viewer(this.#page, this.#rings, at, () => this.draw()).show();
  }
}

class Viewer {
  #page;
  #rings;
  #at;
  #closed;
  #dialog = document.getElementById("viewer");
  #timer = 0;
  #held = false;

  constructor(page, rings, at, closed) {
    this.#page = page;
    this.#rings = rings;
    this.#at = at;
    this.#closed = closed;
  }

  show() {
    this.#dialog.onkeydown = (event) => {
      if (event.key === "ArrowRight") this.#go(1);
      else if (event.key === "ArrowLeft") this.#go(-1);
      else return;
      event.preventDefault();
    };
    this.#dialog.onclose = () => {
      clearTimeout(this.#timer);
      this.#dialog.replaceChildren();
      this.#closed();
    };
    this.#dialog.showModal();
    this.#draw();
  }

  #go(by) {
    const to = step(this.#rings, this.#at, by);
    if (to) this.#at = to;
    else if (by > 0) return this.#dialog.close();
    this.#draw();
  }

  #draw() {
    clearTimeout(this.#timer);
    const ring = this.#rings[this.#at.ring];
    const story = ring.stories[this.#at.story];
    const shown = ring.name || ring.author;
    this.#page.posts.put([story]);
    this.#page.signals.saw(story.id);
    ring.unseen = Math.min(ring.unseen, ring.stories.length - this.#at.story - 1);
    const isOwn = ring.author === this.#page.session.user;
    const isLiked = Boolean(this.#page.posts.get(story.id).mine);
    const [picture] = story.media ?? [];
    const like = element("button", { type: "button", class: "icon", "aria-label": "Like", "aria-pressed": String(isLiked) }, isLiked ? "❤️" : "🤍");
    like.addEventListener("click", async () => {
      const wanted = this.#page.posts.get(story.id).mine ? "" : "love";
      like.textContent = wanted ? "❤️" : "🤍";
      like.setAttribute("aria-pressed", String(Boolean(wanted)));
      await react(this.#page, story.id, wanted);
      story.mine = this.#page.posts.get(story.id).mine;
    });
    const step = (words, className, by) => element("button", { type: "button", class: `step ${className}`, "aria-label": words, onclick: () => this.#go(by) });
    this.#dialog.replaceChildren(
      element("div", { class: "bars", "aria-hidden": "true" }, ...ring.stories.map((_, at) => element("i", { class: at < this.#at.story ? "done" : at === this.#at.story ? "now" : "" }))),
      element("header", {}, portrait({ user: ring.author, ...ring }, "avatar small"), element("b", { dir: "auto" }, shown), when(story.at_ms), element("button", { type: "button", class: "icon", "aria-label": "Close stories", onclick: () => this.#dialog.close() }, icon("close"))),
      element("div", { class: "story", "aria-live": "polite" }, picture ? medium(picture, `Picture by ${shown}`) : null, story.text ? spoken(story.text, picture ? "caption" : "alone") : null, element("span", { class: "vh" }, `Story ${this.#at.story + 1} of ${ring.stories.length} by ${shown}`)),
      step("Previous story", "back", -1),
      step("Next story", "on", 1),
      element("footer", {}, isOwn ? element("button", { type: "button", class: "quiet", onclick: () => this.#delete(ring, story) }, "Delete") : like),
    );
    this.#dialog.onpointerdown = () => this.#hold(true);
    this.#dialog.onpointerup = this.#dialog.onpointercancel = () => this.#hold(false);
    if (!this.#dialog.contains(document.activeElement)) this.#dialog.querySelector(".step.on").focus();
    this.#hold(false);
  }

  #hold(is) {
    this.#held = is;
    clearTimeout(this.#timer);
    this.#dialog.classList.toggle("held", is);
    if (!is && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.#timer = setTimeout(() => this.#held || this.#go(1), SHOWN_MS);
  }

  async #delete(ring, story) {
    this.#hold(true);
    if (!(await confirmed(story.text || "This story", { title: "Delete this story?", yes: "Delete" }))) return this.#hold(false);
    await this.#page.attempt(async () => {
      await this.#page.session.act(`post:${story.id}`, "delete");
      ring.stories.splice(ring.stories.indexOf(story), 1);
      if (!ring.stories.length) this.#rings.splice(this.#rings.indexOf(ring), 1);
      this.#dialog.close();
    });
  }
}
