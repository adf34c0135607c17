// A post, as it is drawn. What its buttons do is acting.js; each says so in `data-act`, because a card is drawn anew
// over what is there (morph.js), and only what differs is touched.

import { element, icon, paintAvatar } from "../element.js";
import { REACTIONS, countOf } from "./posts.js";
import { ago, many, partsOf, short } from "./words.js";

const REASONS = { suggested: "Suggested for you", trending: "Popular now", tag: "By its tag" };
const VISIBLE = { followers: ["people", "Followers only"], close: ["star", "Close friends only"] };

export const personAddress = (user) => `#/u/${encodeURIComponent(user)}`;
export const postAddress = (id) => `#/p/${id}`;
export const tagAddress = (tag) => `#/t/${encodeURIComponent(tag)}`;

/** A picture of somebody, or their initials. */
export function portrait({ user, name = "", avatar = "" }, className = "avatar") {
  const node = element("span", { class: className, "aria-hidden": "true" });
  paintAvatar(node, name || user || "?");
  node.dataset.initials = node.textContent; // drawn by the style sheet: what is decoration is no text
  node.textContent = "";
  if (avatar) node.append(element("img", { src: `media/${avatar}/thumb`, alt: "", loading: "lazy" }));
  return node;
}

/** A user's text, with its links, tags and names to follow. */
export function spoken(text, className = "text") {
  const node = element("p", { class: className, dir: "auto" });
  for (const part of partsOf(text)) {
    if (part.href) node.append(element("a", { href: part.href, target: "_blank", rel: "noopener noreferrer nofollow" }, part.text));
    else if (part.tag) node.append(element("a", { href: tagAddress(part.tag) }, part.text));
    else if (part.user) node.append(element("a", { href: personAddress(part.user) }, part.text));
    else node.append(part.text);
  }
  return node;
}

export const when = (atMs) => element("time", { datetime: new Date(atMs).toISOString(), title: new Date(atMs).toLocaleString() }, ago(atMs));

/** The parts of a post's card, for `morphChildren`. `me` is who looks; `picking`: which reaction is being chosen. */
export function cardParts(post, { me, picking = false, menu = false, editing = false } = {}) {
  if (post.gone) return [element("p", { class: "gone" }, "This post is gone.")];
  const shown = post.name || post.author;
  return [
    post.reason in REASONS && element("p", { class: "reason" }, REASONS[post.reason]),
    head(post, shown),
    ...(editing ? [editor(post)] : [post.text && spoken(post.text)]),
    pictures(post, shown),
    (post.share_of || post.shares_unseen) && shared(post.shared),
    bar(post, me, { picking, menu }),
  ].filter(Boolean);
}

function head(post, shown) {
  const [sign, words] = VISIBLE[post.visibility] ?? [];
  return element(
    "header",
    {},
    element("button", { type: "button", class: "face", "data-act": "person", "data-user": post.author, "aria-label": `About ${shown}` }, portrait({ user: post.author, ...post })),
    element("a", { class: "who", href: personAddress(post.author), "data-act": "open" }, element("b", { dir: "auto" }, shown), post.name && element("span", { class: "id" }, `@${post.author}`)),
    element(
      "span",
      { class: "facts" },
      sign && element("span", { class: "sign", title: words }, icon(sign), element("span", { class: "vh" }, words)),
      post.edited_ms && element("span", {}, "edited"),
      element("a", { href: postAddress(post.id), "data-act": "open" }, when(post.at_ms)),
    ),
  );
}

/** A picture always has `thumb` and `large`, which is as large as it was when that is less. A video has no `large`: then
 * it is one, with one or both of its sizes. */
export function medium(id, alt, fields = {}) {
  const picture = element("img", { src: `media/${id}/large`, alt, decoding: "async", ...fields });
  picture.addEventListener("error", () => picture.replaceWith(video(id, alt)), { once: true });
  return picture;
}

function video(id, label) {
  const sizes = ["720p", "360p"].map((size) => element("source", { src: `media/${id}/${size}`, type: "video/mp4" }));
  return element("video", { controls: "", playsinline: "", preload: "none", poster: `media/${id}/thumb`, "aria-label": label.replace(/^Picture/, "Video") }, ...sizes);
}

function pictures(post, shown) {
  const all = post.media ?? [];
  if (!all.length) return null;
  const one = (id, at) => medium(id, all.length > 1 ? `Picture ${at + 1} of ${all.length}, by ${shown}` : `Picture by ${shown}`, { loading: "lazy" });
  return element("div", { class: `pictures of-${Math.min(all.length, 4)}` }, ...all.map(one));
}

function shared(post) {
  if (!post || post.gone) return element("p", { class: "shared gone" }, "What was shared is gone, or not for you.");
  const shown = post.name || post.author;
  return element(
    "div",
    { class: "shared" },
    element("header", {}, portrait({ user: post.author, ...post }, "avatar small"), element("a", { class: "who", href: personAddress(post.author) }, element("b", { dir: "auto" }, shown)), element("span", { class: "facts" }, element("a", { href: postAddress(post.id) }, when(post.at_ms)))),
    post.text && spoken(post.text),
    pictures(post, shown),
  );
}

function bar(post, me, { picking, menu }) {
  const count = countOf(post);
  const [, sign, word] = REACTIONS.find(([name]) => name === post.mine) ?? REACTIONS[0];
  const kinds = REACTIONS.filter(([name]) => post.reactions?.[name]);
  const act = (name, label, ...children) => element("button", { type: "button", "data-act": name, "aria-label": label }, ...children);
  return element(
    "footer",
    {},
    element(
      "div",
      { class: "bar" },
      element("button", { type: "button", class: post.mine ? "like on" : "like", "data-act": "like", "aria-pressed": String(Boolean(post.mine)), "aria-label": `${word}, ${many(count, "reaction")}` }, element("span", { class: "signs", "aria-hidden": "true" }, ...(kinds.length ? kinds.slice(0, 3).map(([, one]) => one) : [sign])), count ? short(count) : word),
      element("button", { type: "button", "data-act": "pick", "aria-expanded": String(picking), "aria-label": "Another reaction" }, icon("smile")),
      act("talk", `Comments, ${short(post.comments ?? 0)}`, icon("talk"), post.comments ? short(post.comments) : ""),
      post.visibility !== "public" || post.is_story ? null : act("share", `Share, ${many(post.shares ?? 0, "share")}`, icon("share"), post.shares ? short(post.shares) : ""),
      element("button", { type: "button", class: "last", "data-act": "menu", "aria-expanded": String(menu), "aria-label": "More" }, icon("more")),
    ),
    picking && element("div", { class: "bar pick", role: "group", "aria-label": "Reactions" }, ...REACTIONS.map(([name, one, words]) => element("button", { type: "button", "data-act": "react", "data-reaction": name, "aria-label": words, "aria-pressed": String(post.mine === name) }, one))),
    menu && element("div", { class: "bar menu", role: "group", "aria-label": "More" }, ...(post.author === me ? [act("edit", null, "Edit"), act("delete", null, "Delete")] : [act("hide", null, "Show less of this"), act("report", null, "Report")])),
  );
}

const editor = (post) =>
  element(
    "form",
    { class: "editor", "data-act": "save" },
    element("label", { class: "vh", for: `edit-${post.id}` }, "Text"),
    element("textarea", { id: `edit-${post.id}`, maxlength: "4000", rows: "3" }, post.text ?? ""),
    element("div", { class: "actions" }, element("button", { type: "button", class: "quiet", "data-act": "edit" }, "Cancel"), element("button", { class: "primary" }, "Save")),
  );
