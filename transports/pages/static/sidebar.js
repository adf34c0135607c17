// The list of rooms beside the chat: conversations as the server counts them, then rooms that were only looked at.

import { element } from "./element.js";

const COUNTED_MAX = 99;

/**
 * `rows` are those of the view `conversations`, `looked` keys of rooms. `read` is the key of the room that is being read
 * right now, of which nothing is unread. `called(user)`: what somebody is called. Returns items for `drawSidebar`.
 */
export function sidebarOf({ rows, looked, me = "", read = null, called = (user) => user }) {
  const mine = rows.map((row) => ({
    key: row.room,
    title: row.title,
    line: row.last_text ? `${row.last_author === me ? "You" : called(row.last_author)}: ${row.last_text}` : "",
    unread: row.room === read ? 0 : (row.unread ?? 0),
    mentions: row.room === read ? 0 : row.mentions,
  }));
  const known = new Set(mine.map(({ key }) => key));
  const others = looked.filter((key) => !known.has(key)).map((key) => ({ key, title: "", line: "", unread: 0, mentions: 0 }));
  return [...mine, ...others];
}

/** What is new in a room, for ears. */
export function newsOf({ unread, mentions }) {
  const counted = unread > COUNTED_MAX ? `more than ${COUNTED_MAX}` : String(unread);
  const parts = [];
  if (unread) parts.push(`${counted} unread`);
  if (mentions) parts.push("you are mentioned");
  return parts.join(", ");
}

/** `nameOf`, `partnerOf`, `urlOf` of a room's key; `open(key)` when one is chosen. */
export function drawSidebar(list, items, { current, nameOf, partnerOf, urlOf, open }) {
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  list.replaceChildren(...items.map((item) => entryOf(item)));
  if (focused) [...list.querySelectorAll("a")].find((link) => link.dataset.key === focused)?.focus();

  function entryOf(item) {
    const { key, title, line, unread, mentions } = item;
    const news = newsOf(item);
    const badge = unread > COUNTED_MAX ? `${COUNTED_MAX}+` : unread ? String(unread) : "";
    const link = element(
      "a",
      {
        href: urlOf(key),
        class: news && "news",
        "data-key": key,
        "aria-current": key === current && "page",
        onclick: (event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          open(key);
        },
      },
      element("span", { class: "sign", "aria-hidden": "true" }, partnerOf(key) ? "@" : "#"),
      element("span", { class: "room" }, element("span", { class: "name", title: partnerOf(key) }, nameOf(key, title)), line && element("small", { class: "line" }, line)),
      news && element("span", { class: "vh" }, `, ${news}`),
      mentions > 0 && element("span", { class: "badge mention", "aria-hidden": "true" }, "@"),
      badge && element("span", { class: "badge", "aria-hidden": "true" }, badge),
    );
    return element("li", {}, link);
  }
}
