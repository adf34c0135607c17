// What a user is told of: the inbox as its channel tells it. `Notices` knows no network and no DOM; the list on the page
// is the rest.

import { element } from "../element.js";
import { portrait, when } from "./card.js";

export class Notices {
  unread = 0; // groups
  moment = 0; // how often the channel has told something
  #groups = new Map(); // id -> group
  #told = new Map(); // id -> the moment at which the channel told of that group last
  #begun = 0; // likewise, of all
  #offset = 0; // of the newest event that it has told of

  /** A fresh view, as of that offset. */
  begin({ groups = [], unread = 0 } = {}, offset = 0) {
    this.#offset = offset;
    this.#groups = new Map(groups.map((group) => [group.id, group]));
    this.#told.clear();
    this.#begun = ++this.moment;
    this.unread = unread;
  }

  /** How rows of the view `notices` are to be asked for: a row that is late has what was taken back since, its text too,
   * and where one user has two notices in a group nothing else of it need have changed. These are none of before. */
  asking(user) {
    return { limit: 50, at: this.#offset ? `inbox:${user}@${this.#offset}` : undefined };
  }

  /** Earlier ones, as such rows. `asked`: the moment at which they were asked for; false where all has begun anew since,
   * and they are to be asked for again. */
  earlier(rows, asked) {
    if (asked < this.#begun) return false;
    for (const { group, state, ...row } of rows) {
      const isOld = (this.#told.get(group) ?? 0) <= asked;
      if (!this.#groups.has(group) && isOld && state !== "archived") this.#groups.set(group, { ...row, id: group, read: state === "read" });
    }
    return true;
  }

  publication({ data, offset = 0 } = {}) {
    this.#offset = Math.max(this.#offset, offset);
    switch (data?.type) {
      case "inbox.group":
        this.unread = data.unread;
        if (data.count) this.#groups.set(data.id, data);
        else this.#groups.delete(data.id);
        this.#note(data.id);
        break;
      case "inbox.said": // behind its group
        this.#say(data.id, data.text);
        this.#note(data.id);
        break;
      case "inbox.unread":
        this.unread = data.unread;
        for (const id of data.groups) {
          const group = this.#groups.get(id);
          if (data.archived) {
            this.#groups.delete(id);
            this.#note(id);
          } else if (group) this.#groups.set(id, { ...group, read: true });
        }
    }
  }

  /** What the channel has told while nobody listened is without texts: rows of the view `notices` have them, asked for as
   * `asking` says. They say something only of a group that is as the row has it, and of which the channel has told
   * nothing after `asked`, the moment at which rows were asked for. */
  texts(rows, asked) {
    if (asked < this.#begun) return;
    for (const { text, ...row } of rows) {
      const group = this.#groups.get(row.group);
      if (group && (this.#told.get(row.group) ?? 0) <= asked && isSame(group, row)) this.#say(row.group, text);
    }
  }

  #note(id) {
    this.moment += 1;
    this.#told.set(id, this.moment); // of what is gone as well
  }

  #say(id, text) {
    const group = this.#groups.get(id);
    if (group) this.#groups.set(id, { ...group, text });
  }

  /** The newest first. */
  list() {
    return [...this.#groups.values()].sort((a, b) => b.at_ms - a.at_ms || b.id - a.id);
  }
}

const isSame = (group, row) => group.at_ms === row.at_ms && group.count === row.count && String(group.names) === String(row.names);

/** Where a notice leads: the address within the page. */
export function addressOf({ about = "" }) {
  const [kind, ...rest] = about.split(":");
  const key = encodeURIComponent(rest.join(":"));
  if (kind === "post") return `#/p/${key}`;
  if (kind === "profile") return `#/u/${key}`;
  return "#/notices";
}

// ---- as they are shown

/** The page of notices; drawn anew by `draw()`, left by `leave()`. */
export function noticesScreen(page) {
  const list = element("ul", { class: "notices", "aria-label": "Notices" });
  const empty = element("p", { class: "hint" }, "Nothing has happened yet.");
  const older = element("button", { type: "button", class: "quiet", hidden: true }, "Earlier");
  const all = element("button", { type: "button", class: "quiet" }, "Mark all as read");
  let next; // a cursor; undefined: not asked yet
  const mark = (id) => page.attempt(() => page.session.own("inbox", "mark_read", { groups: [id] }));
  const answer = (command, user, id) =>
    page.attempt(async () => {
      await page.session.own("follows", command, { user });
      await mark(id);
    });
  const draw = () => {
    const groups = page.notices.list();
    empty.hidden = groups.length > 0;
    all.hidden = !page.notices.unread;
    older.hidden = next === null || groups.length < 50;
    list.replaceChildren(
      ...groups.map((group) => {
        const [user = ""] = group.names ?? [];
        const words = element("span", { class: "words" }, element("b", {}, group.says), group.text && element("span", { class: "line", dir: "auto" }, group.text));
        const follow = () => group.read || mark(group.id);
        return element(
          "li",
          { class: group.read ? "" : "fresh", "data-key": String(group.id) },
          element("a", { href: addressOf(group), onclick: follow }, portrait({ user }), words, when(group.at_ms), !group.read && element("span", { class: "vh" }, "unread")),
          group.kind === "request" &&
            element(
              "span",
              { class: "actions" },
              element("button", { type: "button", class: "primary", onclick: () => answer("accept", user, group.id) }, "Accept"),
              element("button", { type: "button", class: "quiet", onclick: () => answer("decline", user, group.id) }, "Decline"),
            ),
        );
      }),
    );
  };
  all.addEventListener("click", () => page.attempt(() => page.session.own("inbox", "read_all")));
  older.addEventListener("click", () =>
    page.attempt(async () => {
      const asked = page.notices.moment;
      const user = page.session.user;
      const found = await page.session.rows("notices", user, { ...page.notices.asking(user), ...(next ? { after: next } : {}) });
      if (page.notices.earlier(found.rows, asked)) next = found.next;
      draw();
    }),
  );
  page.session.own("inbox", "see").catch(() => {}); // a hint: nobody waits for it
  draw();
  return { title: "Notices", node: element("section", { class: "screen" }, element("div", { class: "screen-head" }, element("h1", {}, "Notices"), all), empty, list, older), draw };
}
