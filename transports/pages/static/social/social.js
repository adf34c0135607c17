// The page of people and posts: who I am, which screen is shown, and what is live. Lists of posts are list.js, a post
// card.js, what its buttons do acting.js; what is said to the server goes through session.js.

import { NAME, askWho, userOfToken } from "../dialogs.js";
import { element, icon } from "../element.js";
import { memory } from "../memory.js";
import { act, actOn } from "./acting.js";
import { portrait } from "./card.js";
import { openComments } from "./comments.js";
import { Composer } from "./composer.js";
import { PostList } from "./list.js";
import { News, newestOf } from "./news.js";
import { Notices, noticesScreen } from "./notices.js";
import { personScreen } from "./people.js";
import { Posts } from "./posts.js";
import { searchScreen } from "./search.js";
import { Signals, watchSeen } from "./seen.js";
import { Session } from "./session.js";
import { Ring } from "./stories.js";
import { explain, many } from "./words.js";

const WATCHED_MAX = 12; // posts on the screen whose counts are live
const WATCH_AFTER_MS = 700;
const TOP_MAX = 10; // posts that come whole at once
const NO_POST = "0".repeat(32); // older than all

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const local = document.documentElement.dataset.env === "local";

let page = null; // all that belongs to whoever is signed in
let screen = null; // {title, node, list?, leave?}
let home = null; // kept while others are shown: {…, top}

// ---- who I am

function signIn() {
  const token = memory.get("sessionStorage", "token");
  const asked = query.get("user")?.trim(); // for this tab only, so that two tabs can be two people
  const remembered = memory.get("localStorage", "user");
  if (token && userOfToken(token)) start(userOfToken(token), token);
  else if (local && asked && NAME.test(asked)) start(asked, null);
  else if (local && remembered && NAME.test(remembered)) start(remembered, null);
  else welcome();
}

function welcome(error = "") {
  askWho({
    local,
    token: memory.get("sessionStorage", "token"),
    name: page?.session.user ?? memory.get("localStorage", "user"),
    error,
    mayCancel: Boolean(page) && !error,
    isToken: (text) => Boolean(userOfToken(text)),
    entered({ token, name }) {
      const user = token === null ? name : userOfToken(token);
      if (query.has("user")) {
        query.delete("user");
        history.replaceState({}, "", `${location.pathname}${query.size ? `?${query}` : ""}${location.hash}`);
      }
      start(user, token);
    },
  });
}

function start(user, token) {
  end();
  const session = new Session({ user, token });
  page = new SocialPage(session);
  $("me-name").textContent = user;
  $("mine").href = `#/u/${encodeURIComponent(user)}`;
  $("me").querySelector(".avatar").replaceWith(portrait({ user }));
  session.client.addEventListener("state", ({ detail }) => page?.session === session && onState(detail));
  page.listen();
  session.client.connect();
  page.profileChanged();
  route();
}

function end() {
  screen?.leave?.();
  if (home && home !== screen) home.leave();
  screen = home = null;
  $("main").replaceChildren();
  page?.seen.stop();
  page?.session.client.disconnect();
}

// ---- all that belongs to whoever is signed in

/** Events: `follows`, when how somebody stands to us has changed; `detail` is what the channel tells. */
class SocialPage extends EventTarget {
  posts = new Posts();
  signals = new Signals();
  notices = new Notices();
  news = new News();
  open = new Map(); // post -> {picking, menu, editing}
  profile = { name: "", avatar: "" };
  mediaBytesMax = Number(document.documentElement.dataset.media ?? 0);
  #watched = new Map(); // post -> subscription
  #waiting = new Map(); // post -> timer: what flies by is not watched

  constructor(session) {
    super();
    this.session = session;
    this.seen = watchSeen(this.signals, {
      send: (signals) => session.ask(`feed:${session.user}`, "seen", { signals }),
      shown: (id, is) => (is ? this.#watch(id) : this.#unwatch(id)),
    });
  }

  get list() {
    return screen?.list;
  }

  /** What comes by itself. */
  listen() {
    const { client, user } = this.session;
    client.subscribe(`feed:${user}`, {
      subscribed: ({ data, recovered }) => {
        if (!recovered) this.news.told(data?.new ?? 0);
        this.show(); // whoever answers now has not heard what is on top here
        drawNews();
      },
      publication: ({ data }) => {
        if (data.type === "feed.new" && !this.news.told(data.count)) home?.ring.read();
        if (data.type === "feed.top") this.news.came(data.posts, home?.list.ids);
        if (data.type === "feed.top" && home && screen === home && scrollY < 80) home.insert();
        drawNews();
      },
    });
    client.subscribe(`follows:${user}`, {
      publication: ({ data }) => {
        if (home) home.isStale = true; // others are in it now
        this.dispatchEvent(new CustomEvent("follows", { detail: data }));
      },
    });
    const draw = () => {
      $("unread").hidden = !this.notices.unread;
      $("unread").replaceChildren(String(this.notices.unread), element("span", { class: "vh" }, " unread"));
      screen?.draw?.();
    };
    let lacksTexts = false;
    const inbox = client.subscribe(`inbox:${user}`, {
      subscribed: ({ data, recovered }) => {
        if (!recovered) this.notices.begin(data, inbox.offset);
        lacksTexts = recovered;
        draw();
      },
      caughtUp: () => {
        if (lacksTexts) this.#readTexts().then(draw, () => {}); // they come with the next view
      },
      publication: (publication) => {
        this.notices.publication(publication);
        draw();
      },
    });
  }

  async #readTexts() {
    const asked = this.notices.moment;
    const { user } = this.session;
    const { rows } = await this.session.rows("notices", user, this.notices.asking(user));
    this.notices.texts(rows, asked);
  }

  /** Which post is on top here, so that new ones come whole. */
  show() {
    const top = newestOf([...(home?.list.ids ?? []), ...this.news.waiting.map(({ id }) => id)]) || NO_POST;
    this.session.ask(`feed:${this.session.user}`, "show", { top, limit: TOP_MAX }).catch(() => {}); // then there is the count
  }

  /** Something of ours was posted. It is shown as it was written, until the feed is read anew. */
  posted(fields) {
    const post = { author: this.session.user, ...this.profile, at_ms: Date.now(), visibility: "public", ...fields };
    this.posts.put([post]);
    if (post.is_story) return home?.ring.posted(post);
    home?.list.prepend([post.id]);
    this.show();
  }

  async profileChanged() {
    try {
      const { name, avatar } = await this.session.view("profile", this.session.user);
      this.profile = { name, avatar };
      const face = portrait({ user: this.session.user, name, avatar });
      $("me").querySelector(".avatar").replaceWith(face);
    } catch {
      // then our own posts show the user's id until they are read anew
    }
  }

  toggle(id, what, is) {
    const known = this.open.get(id) ?? {};
    this.open.set(id, { ...known, [what]: is ?? !known[what] });
    this.posts.change(id, {});
  }

  /** Do it, and say what went wrong. */
  async attempt(doing) {
    try {
      await doing();
      return true;
    } catch (error) {
      this.say(explain(error));
      return false;
    }
  }

  say(words) {
    const line = element("p", {}, words);
    $("toasts").append(line);
    while ($("toasts").children.length > 3) $("toasts").firstChild.remove();
    setTimeout(() => line.remove(), 6000);
  }

  // Counts of what is on the screen.

  #watch(id) {
    if (!this.#watched.has(id) && !this.#waiting.has(id)) this.#waiting.set(id, setTimeout(() => this.#subscribe(id), WATCH_AFTER_MS));
  }

  async #subscribe(id) {
    this.#waiting.delete(id);
    if (this.#watched.size >= WATCHED_MAX) return;
    this.#watched.set(id, null);
    try {
      // Who has asked may watch it.
      this.posts.counted(id, await this.session.ask(`post:${id}`, "watch"));
    } catch {
      if (this.#watched.get(id) === null) this.#watched.delete(id);
      return;
    }
    if (this.#watched.get(id) !== null) return; // it is off the screen
    const subscription = this.session.client.subscribe(`post:${id}`, {
      subscribed: ({ data }) => data && this.#told(id, data),
      publication: ({ data }) => this.#told(id, data),
      unsubscribed: () => {
        if (this.#watched.get(id) !== subscription) return;
        this.#watched.delete(id);
        this.#watch(id); // where the server has forgotten that we may
      },
    });
    this.#watched.set(id, subscription);
  }

  #unwatch(id) {
    clearTimeout(this.#waiting.get(id));
    this.#waiting.delete(id);
    const subscription = this.#watched.get(id);
    this.#watched.delete(id);
    if (subscription) this.session.client.unsubscribe(subscription);
  }

  async #told(id, data) {
    if (data.type === "post.gone") this.posts.gone(id);
    else if (data.type === "post.counts") this.posts.counted(id, data);
    else if (data.type === "post.edited") {
      try {
        this.posts.put([await this.session.ask(`feed:${this.session.user}`, "see", { id })]);
      } catch {
        this.posts.gone(id);
      }
    }
  }
}

// ---- screens

function homeScreen() {
  let order = memory.get("localStorage", "order") === "newest" ? "newest" : "ranked";
  const ring = new Ring(page);
  const composer = new Composer(page);
  const list = new PostList(page, {
    label: "Your feed",
    fetch: (asked) => page.session.ask(`feed:${page.session.user}`, "read", asked.cursor ? asked : { order, ...asked }),
    empty: "Nothing here yet. Follow somebody: search has people.",
  });
  const orders = [["ranked", "For you"], ["newest", "Newest"]].map(([name, words]) =>
    element("button", { type: "button", "aria-pressed": String(order === name), onclick: () => turn(name) }, words),
  );
  const turn = (name) => {
    order = name;
    memory.set("localStorage", "order", name);
    for (const [at, button] of orders.entries()) button.setAttribute("aria-pressed", String((at === 1) === (name === "newest")));
    return read();
  };
  const read = async () => {
    self.isStale = false;
    if (await list.begin()) page.news.read();
    page.show();
    drawNews();
    ring.read();
  };
  const news = element("button", { type: "button", class: "news", hidden: true, "aria-live": "polite" });
  const insert = () => {
    list.prepend(page.posts.put(page.news.take()));
    drawNews();
  };
  news.addEventListener("click", () => {
    scrollTo({ top: 0 });
    if (page.news.isWhole) insert();
    else read();
    list.node.querySelector("article")?.focus({ preventScroll: true });
  });
  const node = element("section", { class: "screen" }, element("h1", { class: "vh" }, "Home"), ring.node, composer.node, element("div", { class: "orders", role: "group", "aria-label": "Order" }, ...orders), news, list.node);
  const self = { title: "Home", node, list, ring, composer, news, insert, read, leave: () => list.leave(), top: 0, isStale: false };
  read();
  return self;
}

function drawNews() {
  if (!home) return;
  const { count } = page.news;
  home.news.hidden = !count;
  if (count) home.news.replaceChildren(icon("up"), many(count, "new post"));
}

function postScreen(id) {
  const list = new PostList(page, {
    label: "Post",
    fetch: async () => ({ posts: [await page.session.ask(`feed:${page.session.user}`, "see", { id })] }),
    empty: "",
  });
  list.begin().then((is) => {
    const card = is && list.node.querySelector("article");
    if (card) openComments(page, card, { focus: false });
  });
  return { title: "Post", node: element("section", { class: "screen" }, element("h1", {}, "Post"), list.node), list, leave: () => list.leave() };
}

function tagScreen(tag) {
  const list = new PostList(page, {
    label: `Posts under #${tag}`,
    fetch: (asked) => page.session.ask(`feed:${page.session.user}`, "tagged", { tag, ...asked }),
    empty: "Nothing under this tag.",
  });
  list.begin();
  return { title: `#${tag}`, node: element("section", { class: "screen" }, element("h1", { dir: "auto" }, `#${tag}`), list.node), list, leave: () => list.leave() };
}

/** Show what the address names. */
function route() {
  if (!page) return;
  const [, name = "", ...rest] = location.hash.split("/");
  if (location.hash && !location.hash.startsWith("#/")) return; // the link that skips
  let key;
  try {
    key = decodeURIComponent(rest.join("/"));
  } catch {
    key = "";
  }
  if (screen === home && home) home.top = scrollY;
  else screen?.leave?.();
  if (name === "u" && key) screen = personScreen(page, key);
  else if (name === "p" && /^[0-9a-f]{32}$/.test(key)) screen = postScreen(key);
  else if (name === "t" && key) screen = tagScreen(key);
  else if (name === "search") screen = searchScreen(page, key);
  else if (name === "notices") screen = noticesScreen(page);
  else screen = home ??= homeScreen();
  for (const dialog of [$("sheet"), $("viewer")]) if (dialog.open) dialog.close();
  $("main").replaceChildren(screen.node);
  document.title = `${screen.title} · Greenroom`;
  if (screen === home && home.isStale) {
    home.top = 0;
    home.read();
  }
  scrollTo({ top: screen === home ? home.top : 0 });
  const current = { u: key === page.session.user ? "mine" : "", p: "", t: "search", search: "search", notices: "notices" }[name] ?? "home";
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.dataset.page === current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (document.activeElement === document.body) $("main").focus({ preventScroll: true }); // what had it is gone
  screen.focus?.();
  drawNews();
}

// ---- the connection

let wasConnected = false;

function onState({ state, code, reason }) {
  if (state === "connected") wasConnected = true;
  let words = "";
  if (state === "disconnected" && code) words = `Disconnected: ${reason}`;
  else if (state === "connecting" && navigator.onLine === false) words = "You’re offline.";
  else if (state === "connecting" && wasConnected) words = "Reconnecting…";
  const again = element("button", { type: "button", class: "link", onclick: () => (state === "connecting" ? page.session.client.retryNow() : page.session.client.connect()) }, "Try now");
  $("status").replaceChildren(...(words ? [words, " ", again] : []));
  if (state === "disconnected" && [1, 101, 109, 3500, 3501, 3507].includes(code)) {
    memory.set("sessionStorage", "token", null);
    welcome(code === 109 ? "That token has expired." : "The server did not accept that. Please try again.");
  }
}

// ---- keys

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !page || document.querySelector("dialog[open]")) return;
  if (event.target.closest("input, textarea, select")) return;
  const cards = [...$("main").querySelectorAll("article[data-post]")];
  const at = cards.indexOf(document.activeElement?.closest("article[data-post]"));
  const card = cards[at];
  const keys = {
    j: () => cards[Math.min(cards.length - 1, at + 1)]?.focus(),
    k: () => cards[Math.max(0, at - 1)]?.focus(),
    l: () => card && act(page, "like", card),
    c: () => card && act(page, "talk", card),
    n: () => {
      if (screen === home) return home.composer.focus();
      location.hash = "#/";
      addEventListener("hashchange", () => home.composer.focus(), { once: true });
    },
    "/": () => (location.hash = "#/search"),
  };
  const doing = keys[event.key];
  if (!doing) return;
  event.preventDefault();
  doing();
});

$("me").addEventListener("click", () => welcome());
addEventListener("hashchange", route);
actOn($("main"), () => page);
signIn();
