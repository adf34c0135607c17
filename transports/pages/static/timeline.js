// The list of messages on the page: what is shown between what, and changing only the rows that changed.

import { avatar, element, icon, richText } from "./element.js";
import { noticeOf } from "./room.js";

const GROUP_MS = 5 * 60 * 1000; // messages of one author so close together share one byline
const REACTIONS = ["👍", "❤️", "😂", "🎉"];

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const fullDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/**
 * Rows for a room and its outbox, oldest first: {key, kind, sign, …}. `sign` changes exactly when the row must be drawn
 * anew. `person(user)` gives {user, name, picture}.
 */
export function rowsOf({ entries, outbox, me, unreadFrom, complete, members, title, person = (user) => ({ user, name: user, picture: "" }) }) {
  const called = (user) => person(user).name;
  const rows = [];
  const known = new Map(entries.map((entry) => [entry.offset, entry]));
  const own = new Set(outbox.map((item) => item.id));
  const messages = [
    ...entries.filter((entry) => !(entry.clientId && own.has(entry.clientId))),
    ...outbox.map((item) => ({ kind: "message", offset: 0, clientId: item.id, author: me, text: item.text, atMs: item.atMs, replyTo: item.replyTo, reactions: new Map(), item })),
  ];
  if (complete && entries.length) rows.push({ key: "start", kind: "start", text: `The beginning of ${title}` });
  let day = "";
  let before = null;
  for (const entry of messages) {
    const today = new Date(entry.atMs).toDateString();
    if (today !== day) {
      rows.push({ key: `day ${today}`, kind: "day", text: dayName(entry.atMs) });
      day = today;
      before = null;
    }
    if (unreadFrom && entry.offset === unreadFrom) {
      rows.push({ key: "unread", kind: "unread", text: "New" });
      before = null;
    }
    if (entry.kind === "notice") {
      const together = rows.at(-1);
      if (entry.joined && together.joined) {
        together.joined.push(entry.joined); // a crowd that comes in is one line
        together.text = joinedText(together.joined, called);
      } else {
        rows.push({ key: `n${entry.offset}`, kind: "notice", text: noticeOf(entry.data, called), joined: entry.joined && [entry.joined] });
      }
      before = null;
      continue;
    }
    const first = !before || before.entry.author !== entry.author || entry.atMs - before.entry.atMs > GROUP_MS;
    if (before && !first) before.last = false;
    const quoted = entry.replyTo ? known.get(entry.replyTo) : null;
    const row = { key: entry.clientId ? `c${entry.clientId}` : `m${entry.offset}`, kind: "message", entry, first, last: true, quoted, own: entry.author === me, seen: "", by: person(entry.author), quotes: quoted ? called(quoted.author) : "" };
    rows.push(row);
    before = row;
  }
  const latest = rows.at(-1);
  if (latest?.own && latest.entry.offset) {
    const seen = [...members].filter(([user, member]) => user !== me && member.read >= latest.entry.offset).map(([user]) => user);
    latest.seen = seen.length > 3 ? `Seen by ${seen.length}` : seen.length ? `Seen by ${seen.map(called).join(", ")}` : "";
  }
  for (const row of rows) row.sign = signOf(row);
  return rows;
}

function joinedText(users, called) {
  if (users.length > 5) return `${users.slice(0, 3).map(called).join(", ")} and ${users.length - 3} others joined`;
  return `${users.slice(0, -1).map(called).join(", ")} and ${called(users.at(-1))} joined`;
}

function signOf(row) {
  if (row.kind !== "message") return row.text;
  const { entry, quoted } = row;
  return JSON.stringify([
    entry.offset, entry.text, entry.edited, entry.deleted, entry.atMs, row.first, row.last, row.own, row.seen,
    [...entry.reactions].map(([emoji, users]) => [emoji, ...users]),
    row.by.name, row.by.picture, quoted && [row.quotes, quoted.text, quoted.deleted], entry.item?.state, entry.item?.error?.message,
  ]);
}

export function dayName(ms, now = Date.now()) {
  const start = (at) => new Date(at).setHours(0, 0, 0, 0);
  const days = Math.round((start(now) - start(ms)) / 86_400_000);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return days < 300 ? weekday.format(ms) : fullDate.format(ms);
}

export class Timeline {
  #list;
  #toolbar;
  #actions;
  #nodes = new Map(); // key -> {node, sign, row}
  #me = "";

  /** `actions`: reply, edit, remove, react, retry, discard, show; each takes the row's entry; `may(entry, action)` says which. */
  constructor(list, toolbar, actions) {
    this.#list = list;
    this.#toolbar = toolbar;
    this.#actions = actions;
    list.addEventListener("pointerover", (event) => event.pointerType === "mouse" && this.#offer(event.target.closest(".message")));
    list.addEventListener("pointerleave", () => !this.#toolbar.contains(document.activeElement) && this.#hideToolbar());
    list.addEventListener("focusin", (event) => this.#focused(event.target.closest(".message")));
    list.addEventListener("focusout", (event) => !list.contains(event.relatedTarget) && this.#hideToolbar());
    toolbar.addEventListener("pointerdown", (event) => event.preventDefault()); // a tap must not move the focus away first
    list.addEventListener("keydown", (event) => this.#key(event));
  }

  draw(rows, me) {
    this.#me = me;
    const wanted = new Set(rows.map((row) => row.key));
    for (const [key, { node }] of this.#nodes) {
      if (wanted.has(key)) continue;
      if (node.contains(this.#toolbar)) this.#hideToolbar();
      node.remove();
      this.#nodes.delete(key);
    }
    let after = null;
    for (const row of rows) {
      let known = this.#nodes.get(row.key);
      if (!known) {
        known = { node: element("li"), sign: null, row };
        this.#nodes.set(row.key, known);
      }
      known.row = row;
      if (known.sign !== row.sign) {
        this.#fill(known.node, row);
        known.sign = row.sign;
      }
      const place = after ? after.nextSibling : this.#list.firstChild;
      if (place !== known.node) this.#list.insertBefore(known.node, place);
      after = known.node;
    }
    // One stop for the Tab key: the latest message, until the arrow keys choose another.
    const current = this.#list.querySelector('.message[tabindex="0"]');
    const latest = [...this.#list.querySelectorAll(".message")].at(-1);
    if (latest && (!current || !current.contains(document.activeElement)) && current !== latest) {
      current?.setAttribute("tabindex", "-1");
      latest.setAttribute("tabindex", "0");
    }
  }

  flash(offset) {
    const found = [...this.#nodes.values()].find(({ row }) => row.kind === "message" && row.entry.offset === offset);
    if (!found) return false;
    found.node.scrollIntoView({ block: "center" });
    found.node.classList.add("flash");
    setTimeout(() => found.node.classList.remove("flash"), 1500);
    return true;
  }

  clear() {
    this.#hideToolbar();
    this.#nodes.clear();
    this.#list.replaceChildren();
  }

  // ---- one row

  #fill(node, row) {
    const keep = node.contains(this.#toolbar) ? this.#toolbar : null;
    if (row.kind !== "message") {
      node.className = row.kind;
      if (row.kind === "unread") node.setAttribute("aria-label", "New messages");
      node.replaceChildren(row.kind === "unread" ? element("span", {}, row.text) : row.text);
      return;
    }
    const { entry, own, first, last, by } = row;
    const classes = ["message", own && "own", first && "first", last && "last", entry.deleted && "deleted", entry.item?.state].filter(Boolean);
    node.className = classes.join(" ");
    if (!node.hasAttribute("tabindex")) node.setAttribute("tabindex", "-1");
    node.dataset.offset = entry.offset;
    const when = element("time", { datetime: new Date(entry.atMs).toISOString(), title: exact.format(entry.atMs) }, clock.format(entry.atMs));
    const byline = first
      ? element("div", { class: "byline" }, element("b", own ? { class: "vh" } : { title: by.name !== by.user && by.user }, own ? "You" : by.name), " ", when)
      : element("div", { class: "vh" }, `${own ? "You" : by.name}, `, when);
    const bubble = element(
      "div",
      { class: "bubble", title: exact.format(entry.atMs) },
      entry.replyTo && !entry.deleted && this.#quote(row),
      entry.deleted ? "Message deleted" : richText(entry.text),
      entry.edited && !entry.deleted && element("span", { class: "edited" }, "edited"),
    );
    const stack = element("div", { class: "stack" }, byline, bubble, entry.reactions.size > 0 && this.#reactions(entry), this.#meta(row));
    node.replaceChildren(...(own ? [] : [first ? avatar(entry.author, by) : element("span")]), stack, ...(keep ? [keep] : []));
    if (keep && !this.#actionsOf(entry).length) this.#hideToolbar();
  }

  #quote({ entry, quoted, quotes }) {
    const text = quoted ? (quoted.deleted ? "Message deleted" : quoted.text) : "An earlier message";
    return element(
      "button",
      { type: "button", class: "quote", onclick: () => this.#actions.show(entry.replyTo) },
      element("b", {}, element("span", { class: "vh" }, "In reply to "), quotes || "Reply"),
      element("span", {}, text),
    );
  }

  #reactions(entry) {
    const chips = [...entry.reactions].map(([emoji, users]) =>
      element(
        "button",
        {
          type: "button",
          "aria-pressed": String(users.has(this.#me)),
          "aria-label": `${emoji} ${users.size}: ${[...users].join(", ")}`,
          title: [...users].join(", "),
          onclick: () => this.#actions.react(entry, emoji),
        },
        element("span", {}, emoji),
        String(users.size),
      ),
    );
    return element("div", { class: "reactions" }, ...chips);
  }

  #meta({ entry, seen }) {
    const { item } = entry;
    if (item?.state === "failed") {
      return element(
        "div",
        { class: "meta bad", role: "alert" },
        `Not sent. ${this.#actions.explain(item.error)}`,
        element("button", { type: "button", onclick: () => this.#actions.retry(item) }, "Try again"),
        element("button", { type: "button", onclick: () => this.#actions.discard(item) }, "Discard"),
      );
    }
    if (item) return element("div", { class: "meta" }, "Sending…");
    return seen ? element("div", { class: "meta" }, seen) : null;
  }

  // ---- the toolbar: one, moved to the message under the pointer or the focus

  #entryOf(node) {
    for (const { node: known, row } of this.#nodes.values()) if (known === node) return row.entry;
    return null;
  }

  #actionsOf(entry) {
    if (!entry?.offset || entry.deleted) return [];
    return ["react", "reply", "edit", "remove"].filter((action) => this.#actions.may(entry, action));
  }

  #offer(node) {
    if (!node || node.contains(this.#toolbar)) return;
    if (this.#toolbar.contains(document.activeElement)) return; // in use
    const actions = this.#actionsOf(this.#entryOf(node));
    if (!actions.length) return this.#hideToolbar();
    const button = (label, child, run) => element("button", { type: "button", title: label, "aria-label": label, onclick: run }, child);
    const doing = (action) => () => {
      const entry = this.#entryOf(node); // as it is now, not as it was when the toolbar was made
      this.#hideToolbar();
      if (entry) this.#actions[action](entry);
    };
    const made = [];
    for (const action of actions) {
      if (action === "react") {
        made.push(...REACTIONS.map((emoji) => button(`React with ${emoji}`, emoji, () => this.#actions.react(this.#entryOf(node), emoji))));
      } else if (action === "reply") made.push(button("Reply", icon("reply"), doing("reply")));
      else if (action === "edit") made.push(button("Edit", icon("edit"), doing("edit")));
      else made.push(button("Delete", icon("delete"), doing("remove")));
    }
    this.#toolbar.replaceChildren(...made);
    this.#toolbar.hidden = false;
    node.append(this.#toolbar);
  }

  #hideToolbar() {
    this.#toolbar.hidden = true;
    document.body.append(this.#toolbar);
  }

  #focused(node) {
    if (!node) return;
    this.#list.querySelector('.message[tabindex="0"]')?.setAttribute("tabindex", "-1");
    node.setAttribute("tabindex", "0");
    this.#offer(node);
  }

  #key(event) {
    const node = event.target.closest(".message");
    if (!node || !["ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) return;
    const all = [...this.#list.querySelectorAll(".message")];
    const at = all.indexOf(node);
    const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: all.length - 1 }[event.key];
    if (!all[to]) return;
    event.preventDefault();
    all[to].focus();
  }
}
