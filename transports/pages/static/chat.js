// The chat page: who I am, which room I am in, and what the keys and buttons do. The protocol is greenroom.js, the
// room's state room.js, the list of messages timeline.js, what is being sent outbox.js, the list of rooms sidebar.js,
// the search finder.js.

import { NAME, askWho, confirmed, userOfToken } from "./dialogs.js";
import { directKey, partnerIn } from "./direct.js";
import { avatar, element, icon, paintAvatar } from "./element.js";
import { Finder } from "./finder.js";
import { Client, ProtocolError } from "./greenroom.js";
import { memory } from "./memory.js";
import { Names } from "./names.js";
import { Outbox } from "./outbox.js";
import { Room } from "./room.js";
import { drawSidebar, sidebarOf } from "./sidebar.js";
import { Timeline, rowsOf } from "./timeline.js";
import { Page, inPath, readView } from "./views.js";

const HISTORY_PAGE = 100;
const PAGES_PER_SCROLL = 8; // of history, while looking for messages among reactions and reads
const ROOMS_MAX = 20;
const TYPING_EVERY_MS = 2500;
const READ_EVERY_MS = 1200;
const PRESENCE_EVERY_MS = 30_000;
const MEMBERS_SHOWN = 200;

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const local = document.documentElement.dataset.env === "local";
const views = new Set(document.documentElement.dataset.views.split(" ")); // those that this server keeps up

let me = "";
let token = memory.get("sessionStorage", "token");
let client = null;
let visit = null; // the room that is open: {key, room, subscription, outbox, …}
let conversations = new Page("room"); // empty where the server keeps none up
const names = new Names(
  views.has("profiles") ? async (user) => (await readView(`profiles/${inPath(user)}`, {}, { user: me, token })).rows[0] : null,
  () => draw({ quiet: true }),
);
const called = (user) => names.of(user).name;

// ---- who I am

function signIn() {
  const asked = query.get("user")?.trim(); // for this tab only, so that two tabs can be two people
  const remembered = memory.get("localStorage", "user");
  if (token && userOfToken(token) !== null) start(userOfToken(token), token);
  else if (local && asked && NAME.test(asked)) start(asked, null);
  else if (local && remembered && NAME.test(remembered)) start(remembered, null);
  else welcome();
}

function start(user, withToken) {
  me = user;
  token = withToken;
  drawMe();
  client?.removeEventListener("state", onState);
  client?.disconnect();
  const url = new URL("connection/websocket", document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  client = new Client(url.href, token ? { token } : { data: { user } });
  client.addEventListener("state", onState);
  conversations = new Page("room");
  if (user && views.has("conversations")) watchConversations(conversations);
  enter(keyOf(query.get("room")) ?? "lobby", { replace: true });
  client.connect();
}

let meSign = "";

function drawMe() {
  const mine = names.of(me);
  const sign = JSON.stringify(mine);
  if (sign === meSign) return;
  meSign = sign;
  $("me-name").textContent = mine.name || "anonymous";
  $("me-name").title = mine.name === me ? "" : me;
  paintAvatar($("me").querySelector(".avatar"), me || "?", me ? mine : {});
}

function welcome(error = "") {
  askWho({
    local,
    token,
    name: me || memory.get("localStorage", "user"),
    error,
    mayCancel: Boolean(me) && !error,
    isToken: (text) => userOfToken(text) !== null,
    shown(byToken) {
      $("welcome-title").textContent = byToken ? "Sign in" : "What should we call you?";
      $("welcome-hint").textContent = byToken
        ? "Paste the token you were given."
        : "Pick a name and step in. Others in the room will see it.";
    },
    entered(given) {
      query.delete("user");
      query.set("room", visit?.key ?? query.get("room") ?? "lobby");
      visit?.leave();
      start(given.token === null ? given.name : userOfToken(given.token), given.token);
      $("text").focus();
    },
  });
}

// ---- rooms

/** `lobby` and `room:lobby` are the same; null when it can't be a key. */
function keyOf(text) {
  const key = (text ?? "").trim().replace(/^room:/, "");
  const bytes = new TextEncoder().encode(key).length;
  return bytes >= 1 && bytes <= 255 && !/[\u0000-\u001f\u007f]/.test(key) ? key : null;
}

/** The other one of a direct conversation, which has the key `@ann+bob`; null for any other room. */
function partnerOf(key) {
  return partnerIn(key, me);
}

function nameOf(key, title = "") {
  const partner = title ? null : partnerOf(key);
  return title || (partner && called(partner)) || key;
}

function rooms() {
  try {
    return JSON.parse(memory.get("localStorage", "rooms") ?? "[]").filter((key) => typeof key === "string" && keyOf(key));
  } catch {
    return [];
  }
}

function watchConversations(page) {
  const redraw = () => page === conversations && drawRooms();
  client.subscribe(`conversations:${me}`, {
    subscribed: ({ data, recovered }) => {
      if (!recovered) page.begin(data);
      redraw();
    },
    publication: ({ data }) => {
      page.change(data);
      redraw();
    },
  });
}

let sidebarSign = "";

function drawRooms() {
  const reading = visit && document.visibilityState === "visible" && stuck ? visit.key : null; // marked as read any moment
  const items = sidebarOf({ rows: conversations.sorted("at_ms"), looked: rooms(), me, read: reading, called });
  const sign = JSON.stringify([items, items.map(({ key, title }) => nameOf(key, title)), visit?.key, me]);
  if (sign === sidebarSign) return;
  sidebarSign = sign;
  const open = (key) => {
    enter(key);
    closeDrawers();
  };
  drawSidebar($("room-list"), items, { current: visit?.key, nameOf, partnerOf, urlOf, open });
}

function urlOf(key) {
  const asked = new URLSearchParams(location.search);
  asked.set("room", key);
  if (!query.get("user")) asked.delete("user");
  return `?${asked.toString().replaceAll("%40", "@").replaceAll("%3A", ":")}`;
}

function enter(key, { replace = false, back = false } = {}) {
  if (visit?.key === key) return;
  visit?.leave();
  const known = rooms();
  if (!known.includes(key)) memory.set("localStorage", "rooms", JSON.stringify([...known, key].slice(-ROOMS_MAX)));
  if (!back) history[replace ? "replaceState" : "pushState"]({}, "", urlOf(key));
  visit = new Visit(key);
  caughtUpUntil = 0; // said of the room before
  drawRooms();
  visit.begin();
}

// ---- one room, while it is open

class Visit {
  constructor(key) {
    this.key = key;
    this.channel = `room:${key}`;
    this.room = new Room(key);
    this.outbox = new Outbox(
      (item) => this.command("send", { text: item.text, reply_to: item.replyTo ?? undefined, client_id: item.id, idempotency_key: item.id }),
      (item, reply) => this.sent(item, reply),
      {
        load: () => memory.get("sessionStorage", `outbox ${me} ${key}`),
        save: (text) => memory.set("sessionStorage", `outbox ${me} ${key}`, text || null),
      },
    );
    this.online = null; // client id -> user; null while unknown
    this.draft = { replyTo: null, editing: null };
    this.loaded = false;
    this.refused = null;
    this.interrupted = false;
    this.unreadFrom = 0;
    this.missed = 0; // arrived while scrolled up
    this.hiddenCount = 0; // arrived while the tab was hidden
    this.timers = [];
    this.readSent = 0;
    this.typingSentAt = 0;
    this.sought = null; // the offset of a message to be shown once the room is here
  }

  begin() {
    timeline.clear();
    $("text").value = "";
    setDraft(null, null);
    this.subscription = client.subscribe(this.channel, {
      subscribed: ({ data, recovered }) => this.subscribed(data, recovered),
      publication: (pub) => this.publication(pub),
      caughtUp: () => this.caughtUp(),
      subscribing: () => (this.interrupted = true) && drawStatus(),
      unsubscribed: (code, reason) => code && this.ended(code, reason),
      join: (info) => this.online?.set(info.client, info.user) && this.draw(),
      leave: (info) => this.online?.delete(info.client) && this.draw(),
    });
    this.timers.push(setInterval(() => document.visibilityState === "visible" && this.fetchPresence(), PRESENCE_EVERY_MS));
    this.timers.push(setInterval(() => this.room.typing.size && drawTyping(), 1000));
    draw();
  }

  leave() {
    if (this.readTimer) this.sendRead();
    for (const timer of this.timers) clearInterval(timer);
    this.outbox.stop();
    client.unsubscribe(this.subscription);
    if (visit === this) visit = null;
  }

  command(name, data = {}) {
    return client.rpc(`${this.channel}/${name}`, data);
  }

  draw() {
    if (visit === this) draw();
  }

  // ---- from the server

  subscribed(data, recovered) {
    this.refused = null;
    if (recovered) return;
    this.room.applyView(data ?? {});
    const mine = this.room.members.get(me);
    this.readSent = mine?.read ?? 0;
    if (!this.loaded && mine) {
      const next = this.room.list().find((entry) => entry.kind === "message" && entry.offset > mine.read && entry.author !== me);
      this.unreadFrom = mine.read && next ? next.offset : 0;
    }
    for (const item of [...this.outbox.items]) {
      if (this.room.list().some((entry) => entry.clientId === item.id)) this.outbox.confirm(item.id);
    }
    this.loaded = true;
    stickToBottom(true);
    this.draw();
  }

  caughtUp() {
    if (this.interrupted) {
      this.interrupted = false;
      announceCaughtUp();
    }
    this.outbox.run();
    this.fetchPresence();
    this.draw();
    if (this.sought) this.showSought();
    else this.fillScreen();
  }

  showSought() {
    const offset = this.sought;
    this.sought = null;
    stuck = false;
    drawNow();
    actions.show(offset);
  }

  publication(pub) {
    if (pub.data?.type === "room.comment") return whisper(pub.data.user, pub.data.text);
    const entry = this.room.applyPublication(pub);
    if (!pub.offset) return drawTyping();
    if (pub.data?.client_id) this.outbox.confirm(pub.data.client_id);
    if (entry?.kind === "message" && entry.author !== me) {
      const hidden = document.visibilityState === "hidden";
      if (hidden) this.hiddenCount++;
      if (!atBottom()) this.missed++;
      if ((hidden || !atBottom()) && !this.unreadFrom) this.unreadFrom = entry.offset;
    }
    this.draw();
  }

  ended(code, reason) {
    this.refused = { code, reason };
    this.draw();
  }

  async fetchPresence() {
    if (client.state !== "connected" || this.subscription.state !== "subscribed") return;
    try {
      const found = await client.presence(this.channel);
      this.online = new Map(Object.entries(found).map(([id, info]) => [id, info.user]));
      this.draw();
    } catch {
      // Not offered here, or the connection went: the dots stay as they are.
    }
  }

  // ---- older messages

  async loadOlder() {
    const { room } = this;
    if (this.loading || room.complete || !this.loaded || client.state !== "connected") return;
    this.loading = true;
    $("older").hidden = false;
    try {
      for (let page = 0, added = 0; page < PAGES_PER_SCROLL && added < HISTORY_PAGE / 4 && !room.complete; page++) {
        const from = room.cursor === Infinity ? this.subscription.offset + 1 : room.cursor;
        if (from <= 1) {
          room.complete = true;
          break;
        }
        const since = { offset: from, epoch: this.subscription.epoch };
        const found = await client.history(this.channel, { limit: HISTORY_PAGE, reverse: true, since });
        if (visit !== this || room !== this.room) return;
        added += room.applyHistory(found.publications, HISTORY_PAGE);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (error.code >= 100 && !error.temporary) room.complete = true; // no history to be had here
    } finally {
      this.loading = false;
      $("older").hidden = true;
      if (visit === this) draw({ quiet: true });
    }
  }

  /** A first view may be shorter than the screen while there is more before it. */
  fillScreen() {
    if (visit === this && $("scroller").scrollHeight <= $("scroller").clientHeight + 40) this.loadOlder();
  }

  // ---- from me

  send(text) {
    const { replyTo, editing } = this.draft;
    setDraft(null, null);
    this.typingSentAt = 0;
    if (editing) {
      if (text !== editing.text) this.attempt("edit", { offset: editing.offset, text });
      return;
    }
    this.unreadFrom = 0;
    stickToBottom(true);
    this.outbox.add(text, replyTo?.offset ?? null);
  }

  sent(item, reply) {
    // The publication usually came first. If not, show the message in its place now: the offset is final.
    if (reply?.offset && !this.room.entries.has(reply.offset) && this.loaded) {
      const data = { type: "room.message", author: me, text: item.text, client_id: item.id, reply_to: item.replyTo };
      this.room.applyPublication({ offset: reply.offset, data, time: reply.at_ms });
    }
    this.draw();
  }

  react(entry, emoji) {
    this.attempt(entry.reactions.get(emoji)?.has(me) ? "unreact" : "react", { offset: entry.offset, emoji });
  }

  async attempt(name, data = {}) {
    try {
      await this.command(name, data);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      toast(explain(error));
    }
  }

  typed() {
    const now = Date.now();
    if (this.draft.editing || now - this.typingSentAt < TYPING_EVERY_MS || this.subscription.state !== "subscribed") return;
    this.typingSentAt = now;
    this.command("typing").catch(() => {}); // a hint: nobody waits for it
  }

  /** Tell the room how far I have read, at most so often, and only what I can have seen. */
  markRead() {
    if (document.visibilityState !== "visible" || !atBottom() || !this.room.members.has(me) || this.readTimer) return;
    const last = this.room.lastMessage()?.offset ?? 0;
    if (last <= Math.max(this.readSent, this.room.members.get(me).read)) return;
    this.readTimer = setTimeout(() => visit === this && this.sendRead(), READ_EVERY_MS);
  }

  sendRead() {
    clearTimeout(this.readTimer);
    this.readTimer = 0;
    const offset = this.room.lastMessage()?.offset ?? 0;
    if (offset <= this.readSent || this.subscription.state !== "subscribed") return;
    this.readSent = offset;
    this.command("read", { offset }).catch(() => (this.readSent = 0));
  }
}

// ---- drawing: whatever changed, at most once a frame

let frame = 0;
let quiet = false; // older messages are being put in: not news to a screen reader
let stuck = true; // the view follows new messages

function draw(options = {}) {
  quiet ||= Boolean(options.quiet);
  if (frame) return;
  // A hidden tab gets no frames; messages must not pile up undrawn there.
  frame = document.visibilityState === "visible" ? requestAnimationFrame(drawNow) : setTimeout(drawNow, 250);
}

function drawNow() {
  frame = 0;
  if (!visit) return;
  const { room, outbox, key } = visit;
  const title = nameOf(key, room.title);
  const scroller = $("scroller");
  const heightBefore = scroller.scrollHeight;
  const oldestBefore = visit.oldestDrawn;
  $("log").setAttribute("aria-busy", String(quiet || !visit.loaded));
  timeline.draw(
    rowsOf({ entries: visit.refused ? [] : partnerOf(key) ? room.list().filter((entry) => !entry.joined) : room.list(), outbox: outbox.items, me, unreadFrom: visit.unreadFrom, complete: room.complete, members: room.members, title, person: (user) => names.of(user) }),
    me,
  );
  visit.oldestDrawn = room.oldest;
  if (stuck) scroller.scrollTop = scroller.scrollHeight;
  else if (oldestBefore && room.oldest < oldestBefore) scroller.scrollTop += scroller.scrollHeight - heightBefore;
  quiet = false;
  drawMe();
  drawHeading(title);
  drawMembers();
  drawPinned();
  drawBlank(title);
  drawTyping();
  drawStatus();
  drawComposer(title);
  drawJump();
  drawRooms();
  visit.markRead();
  setTimeout(() => $("log").setAttribute("aria-busy", String(!visit?.loaded)), 50);
}

function drawHeading(title) {
  const { room, key } = visit;
  const partner = partnerOf(key);
  $("title").textContent = partner || key.startsWith("@") ? title : `# ${title}`;
  $("title").title = partner && partner !== title ? partner : "";
  const here = onlineUsers();
  const parts = [];
  if (partner) parts.push(here?.has(partner) ? "online" : "direct conversation");
  else if (visit.loaded && !visit.refused) {
    parts.push(`${room.memberCount} ${room.memberCount === 1 ? "member" : "members"}`);
    if (here) parts.push(`${here.size} online`);
    if (!room.open) parts.push("by invitation");
    if (room.slowModeS) parts.push(`slow mode ${room.slowModeS} s`);
  }
  $("subtitle").textContent = parts.join(" · ");
  document.title = `${visit.hiddenCount ? `(${visit.hiddenCount}) ` : ""}${title} · Greenroom`;
}

function onlineUsers() {
  return visit.online && new Set(visit.online.values());
}

const RANK = { owner: 0, admin: 1, moderator: 1 };

function drawMembers() {
  const { room } = visit;
  const here = onlineUsers() ?? new Set();
  const people = [...room.members].map(([user, { role }]) => ({ user, role, here: here.has(user) }));
  for (const user of here) if (user && !room.members.has(user)) people.push({ user, role: "watching", here: true });
  people.sort((a, b) => b.here - a.here || (RANK[a.role] ?? 2) - (RANK[b.role] ?? 2) || a.user.localeCompare(b.user));
  const shown = people.slice(0, MEMBERS_SHOWN).map((one) => ({ ...one, ...names.of(one.user) }));
  const sign = JSON.stringify([shown, people.length, me, visit.key]);
  if (sign === visit.membersSign) return;
  visit.membersSign = sign;
  $("member-count").textContent = visit.loaded ? String(Math.max(room.memberCount, room.members.size)) : "";
  $("member-list").replaceChildren(
    ...shown.map(({ user, name, picture, role, here: isHere }) =>
      element(
        "li",
        { class: isHere ? "here" : "away" },
        avatar(user, { name, picture }),
        element(
          "span",
          { class: "who" },
          element("span", { title: name !== user && user }, user === me ? `${name} (you)` : name),
          role && role !== "member" && element("small", {}, role),
          element("span", { class: "vh" }, isHere ? "online" : "offline"),
        ),
        user !== me && me && !/[+]/.test(user + me) &&
          element("button", { type: "button", class: "icon small", title: `Message ${name}`, "aria-label": `Message ${name}`, onclick: () => talkTo(user) }, icon("talk")),
      ),
    ),
  );
  const rest = Math.max(room.memberCount, people.length) - Math.min(people.length, MEMBERS_SHOWN);
  $("member-more").hidden = rest <= 0;
  $("member-more").textContent = `and ${rest} more`;
  const inside = room.members.has(me);
  $("membership").hidden = !visit.loaded || Boolean(visit.refused) || partnerOf(visit.key) !== null;
  $("membership").textContent = inside ? "Leave room" : "Join room";
  $("membership").onclick = () => visit.attempt(inside ? "leave" : "join");
}

function talkTo(user) {
  closeDrawers();
  enter(directKey(me, user));
  $("text").focus();
}

function drawBlank(title) {
  const blank = $("blank");
  const empty = visit.loaded && !visit.room.entries.size && !visit.outbox.items.length && (visit.room.complete || !visit.loading);
  let lines = null;
  if (visit.refused) lines = visit.refused.code === 102 ? ["There is no such room", ""] : [`You can’t open ${title}`, explain(visit.refused)];
  else if (empty) lines = partnerOf(visit.key) ? [`You and ${title}`, "Only the two of you can read this."] : ["It’s quiet in here", "Be the first to say something."];
  blank.hidden = !lines;
  if (lines) blank.replaceChildren(element("b", {}, lines[0]), element("p", {}, lines[1]));
}

function drawPinned() {
  const { pinned } = visit.room;
  $("pinned").hidden = !pinned || Boolean(visit.refused);
  if (!pinned) return;
  $("pinned-author").textContent = called(pinned.author);
  $("pinned-text").textContent = pinned.text;
  $("pinned").onclick = () => actions.show(pinned.offset);
}

function drawTyping() {
  if (!visit) return;
  const typists = visit.room.typists().filter((user) => user !== me);
  const [one, two] = typists.slice(0, 2).map(called);
  const text =
    typists.length === 0 ? "" : typists.length === 1 ? `${one} is typing` : typists.length === 2 ? `${one} and ${two} are typing` : "Several people are typing";
  $("typing").classList.toggle("shown", Boolean(text));
  if (text) $("typing-text").textContent = text;
}

function drawComposer(title) {
  const off = Boolean(visit.refused);
  $("composer").classList.toggle("off", off);
  $("text").disabled = off;
  $("text").placeholder = off ? "You can’t write here" : `Message ${partnerOf(visit.key) || visit.key.startsWith("@") ? title : `#${title}`}`;
  const { value } = $("text");
  $("send").disabled = off || !value.trim();
  $("count").hidden = value.length < 3600;
  $("count").textContent = String(4000 - value.length);
  $("count").classList.toggle("bad", value.length >= 3950);
}

function setDraft(replyTo, editing) {
  if (visit) visit.draft = { replyTo, editing };
  const subject = editing ?? replyTo;
  $("strip").hidden = !subject;
  if (!subject) return;
  $("strip").querySelector("use").setAttribute("href", editing ? "#i-edit" : "#i-reply");
  $("strip-title").textContent = editing ? "Editing your message" : `Replying to ${subject.author === me ? "yourself" : called(subject.author)}`;
  $("strip-text").textContent = subject.text;
}

// ---- scrolling

function atBottom() {
  const { scrollTop, scrollHeight, clientHeight } = $("scroller");
  return scrollHeight - scrollTop - clientHeight < 80;
}

function stickToBottom(now) {
  stuck = true;
  if (!now) $("scroller").scrollTo({ top: $("scroller").scrollHeight, behavior: "auto" });
  draw();
}

function drawJump() {
  const away = !stuck && !atBottom();
  if (!away && visit) visit.missed = 0;
  $("jump").hidden = !away;
  const missed = visit?.missed ?? 0;
  $("jump").classList.toggle("new", missed > 0);
  $("jump-text").textContent = missed ? `${missed} new` : "Latest";
}

$("scroller").addEventListener("scroll", () => {
  if (!visit || frame) return; // a frame is due: the height is about to change
  stuck = atBottom();
  drawJump();
  if (stuck) visit.markRead();
  if ($("scroller").scrollTop < 300) visit.loadOlder();
}, { passive: true });
new ResizeObserver(() => stuck && ($("scroller").scrollTop = $("scroller").scrollHeight)).observe($("scroller"));
$("jump").addEventListener("click", () => stickToBottom(false));

// ---- the state of the connection, for everyone to see and hear

let status = { state: "connecting", reason: "", retryAt: 0 };
let everConnected = false;
let caughtUpUntil = 0;
let statusSign = "";
let slow = false; // the first connection is taking long enough to say so

function onState({ detail }) {
  status = detail;
  if (detail.state === "connected") everConnected = true;
  else if (visit && everConnected && detail.state === "connecting") visit.interrupted = true;
  if (detail.state === "disconnected" && detail.code) {
    if ([1, 101, 109, 3500, 3501, 3507].includes(detail.code)) {
      memory.set("sessionStorage", "token", null);
      welcome(detail.code === 109 ? "That token has expired." : "The server did not accept that. Please try again.");
    }
  }
  drawStatus();
}

function announceCaughtUp() {
  caughtUpUntil = Date.now() + 2500;
  drawStatus();
  setTimeout(drawStatus, 2600);
}

function drawStatus() {
  if (!visit) return;
  let kind = "";
  let words = "";
  if (status.state === "disconnected" && status.code) [kind, words] = ["bad", `Disconnected: ${status.reason}`];
  else if (status.state === "connecting" && navigator.onLine === false) [kind, words] = ["wait", "You’re offline. Messages will be sent when you’re back."];
  else if (status.state === "connecting" && everConnected) [kind, words] = ["wait", "Reconnecting…"];
  else if (status.state === "connecting" && slow) [kind, words] = ["wait", "Connecting…"];
  else if (status.state === "connected" && visit.interrupted && !visit.refused) [kind, words] = ["wait", "Catching up…"];
  else if (Date.now() < caughtUpUntil) [kind, words] = ["good", "Caught up"];
  const sign = `${kind} ${words}`;
  if (sign !== statusSign) {
    statusSign = sign;
    const mark = { wait: () => element("span", { class: "spinner", "aria-hidden": "true" }), good: () => icon("check") }[kind]?.();
    const again = kind === "bad" ? ["Reconnect", () => client.connect()] : ["Try now", () => client.retryNow()];
    const pill = element(
      "div",
      { class: `pill ${kind}` },
      mark,
      element("span", {}, words),
      kind === "wait" && words.startsWith("Reconn") && element("span", { class: "when", "aria-hidden": "true" }),
      (kind === "bad" || words.startsWith("Reconn")) && element("button", { type: "button", onclick: again[1] }, again[0]),
    );
    $("status").replaceChildren(...(words ? [pill] : []));
  }
  const when = $("status").querySelector(".when");
  if (when) {
    const seconds = Math.ceil((status.retryAt - Date.now()) / 1000);
    when.textContent = seconds > 1 ? `in ${seconds} s` : "";
  }
}

setInterval(() => status.state === "connecting" && drawStatus(), 1000);
setTimeout(() => ((slow = true), drawStatus()), 700);

// ---- small notices

function whisper(user, text) {
  const line = element("p", {}, user && element("b", {}, called(user)), text);
  $("whispers").append(line);
  while ($("whispers").children.length > 3) $("whispers").firstChild.remove();
  setTimeout(() => line.remove(), 6000);
}

function toast(text) {
  whisper("", text);
}

// By the names of the room's rules; a rule that is not here is said in the server's own words.
const EXPLAINED = {
  "room.muted": "You are muted in this room.",
  "room.banned": "You have been removed from this room.",
  "room.blocked": "The two of you don’t write to one another.",
  "room.closed": "This room is by invitation.",
  "room.not_member": "Only its members can do that.",
  "room.full": "The room is full.",
  "room.slow_mode": "Slow mode is on. Wait a moment.",
  "room.not_yours": "Only its author can do that.",
  "room.not_allowed": "You are not allowed to do that here.",
  "room.too_old": "That message is too old to change.",
  "room.no_such_message": "That message is gone.",
  "room.needs_owner": "Make somebody else the owner first.",
  "room.too_many_reactions": "That message has enough reactions.",
  "permission denied": "You are not allowed to do that here.",
  overloaded: "The room is very busy. Try again in a moment.",
  unavailable: "The room is not available right now.",
  not_owner: "The room is moving to another server. Try again in a moment.",
  outcome_unknown: "The server lost track of it.",
  timeout: "The server did not answer in time.",
};

function explain(error) {
  const text = error.message ?? error.reason ?? "";
  const name = Object.keys(EXPLAINED).find((known) => text === known || text.startsWith(`${known}:`));
  if (name) return EXPLAINED[name];
  return text ? `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}` : "Something went wrong.";
}

// ---- the message box

const text = $("text");

function fit() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
}

text.addEventListener("input", () => {
  fit();
  if (!visit) return;
  drawComposer(nameOf(visit.key, visit.room.title));
  if (text.value.trim()) visit.typed();
});

text.addEventListener("keydown", (event) => {
  if (event.isComposing) return; // Enter chooses a character in an input method
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    $("composer").requestSubmit();
  } else if (event.key === "Escape" && (visit?.draft.replyTo || visit?.draft.editing)) cancelDraft();
  else if (event.key === "ArrowUp" && !text.value && visit) {
    const own = visit.room.list().filter((entry) => entry.kind === "message" && entry.author === me && !entry.deleted).at(-1);
    if (own) {
      event.preventDefault();
      actions.edit(own);
    }
  }
});

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const written = text.value.trim();
  if (!written || !visit || visit.refused) return;
  text.value = "";
  fit();
  visit.send(written);
  draw();
  text.focus();
});

function cancelDraft() {
  if (visit?.draft.editing) text.value = "";
  setDraft(null, null);
  fit();
  text.focus();
  draw();
}
$("strip-close").addEventListener("click", cancelDraft);

// ---- what can be done with a message

const actions = {
  explain,
  may(entry, action) {
    if (visit.refused) return false;
    if (action === "edit") return entry.author === me;
    if (action === "remove") return entry.author === me || (RANK[visit.room.members.get(me)?.role] ?? 2) < 2;
    return true;
  },
  react: (entry, emoji) => visit.react(entry, emoji),
  reply(entry) {
    setDraft(entry, null);
    text.focus();
  },
  edit(entry) {
    setDraft(null, entry);
    text.value = entry.text;
    fit();
    text.focus();
    draw();
  },
  async remove(entry) {
    if (await confirmed(entry.text)) visit?.attempt("delete", { offset: entry.offset });
    text.focus();
  },
  retry: (item) => visit.outbox.retry(item),
  discard: (item) => visit.outbox.discard(item),
  async show(offset) {
    for (let page = 0; page < 5 && !timeline.flash(offset) && !visit.room.complete; page++) {
      stuck = false;
      await visit.loadOlder();
      drawNow();
    }
  },
};

const timeline = new Timeline($("list"), $("toolbar"), actions);

// ---- panels

const narrow = { rooms: matchMedia("(max-width: 51.99rem)"), members: matchMedia("(max-width: 75.99rem)") };

function openDrawer(id) {
  const panel = $(id);
  panel.classList.add("shown");
  document.querySelector(`.open-${id}`).setAttribute("aria-expanded", "true");
  $("chat").inert = true; // the keyboard stays in the drawer, as the eye does
  panel.querySelector(".drawer-close").focus();
}

function closeDrawers() {
  for (const id of ["rooms", "members"]) {
    if (!$(id).classList.contains("shown")) continue;
    $(id).classList.remove("shown");
    $("chat").inert = false;
    document.querySelector(`.open-${id}`).setAttribute("aria-expanded", "false");
    document.querySelector(`.open-${id}`).focus();
  }
}

for (const id of ["rooms", "members"]) {
  document.querySelector(`.open-${id}`).addEventListener("click", () => openDrawer(id));
  $(id).querySelector(".drawer-close").addEventListener("click", closeDrawers);
  narrow[id].addEventListener("change", closeDrawers);
}
$("backdrop").addEventListener("click", closeDrawers);
document.addEventListener("keydown", (event) => event.key === "Escape" && closeDrawers());

// ---- search

const finder = new Finder(
  { dialog: $("finder"), input: $("find"), found: $("found"), here: $("find-here"), hereName: $("find-here-name") },
  {
    views,
    who: () => ({ user: me, token }),
    current: () => (visit ? { key: visit.key, name: nameOf(visit.key, visit.room.title) } : { key: "", name: "" }),
    nameOf,
    called,
    urlOf,
    open(key, offset) {
      closeDrawers();
      const isHere = visit?.key === key;
      enter(key);
      if (offset) visit.sought = offset;
      if (offset && isHere && visit.loaded) visit.showSought();
      if (!offset) text.focus();
    },
  },
);
const canFind = views.has("rooms") || views.has("messages");
$("finder-open").hidden = !canFind;
$("finder-open").addEventListener("click", () => finder.show());
$("finder-close").addEventListener("click", () => $("finder").close());
document.addEventListener("keydown", (event) => {
  if (!canFind || event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
  if ($("welcome").open || $("confirm").open) return;
  event.preventDefault();
  finder.show();
});

$("open-room").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = keyOf($("room-name").value.replace(/^#/, ""));
  if (!key) return;
  $("room-name").value = "";
  closeDrawers();
  enter(key);
  text.focus();
});
$("me").addEventListener("click", () => {
  closeDrawers();
  welcome();
});

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "visible" || !visit) return;
  visit.hiddenCount = 0;
  draw();
});
addEventListener("popstate", () => me !== "" && enter(keyOf(new URLSearchParams(location.search).get("room")) ?? "lobby", { back: true }));

signIn();
