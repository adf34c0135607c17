// The page's modules without a page: run by test_modules.py with `node --test`. STATIC is the folder they are in.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const load = (name) => import(pathToFileURL(`${process.env.STATIC}/${name}`).href);
const { Client, Subscription, backoffMs, isFinal } = await load("greenroom.js");
const { Room } = await load("room.js");
const { Outbox } = await load("outbox.js");
const { directKey, partnerIn } = await load("direct.js");
const { Page, inPath } = await load("views.js");
const { newsOf, sidebarOf } = await load("sidebar.js");
const { roomsLike } = await load("finder.js");
const { Names } = await load("names.js");
const { rowsOf } = await load("timeline.js");

/** A socket that the test plays the server of. */
class FakeSocket {
  static last = null;
  static count = 0;
  sent = [];
  constructor() {
    FakeSocket.last = this;
    FakeSocket.count++;
  }
  send(frame) {
    this.sent.push(...frame.split("\n").map((line) => JSON.parse(line)));
  }
  close() {}
  say(...replies) {
    this.onmessage({ data: replies.map((reply) => JSON.stringify(reply)).join("\n") });
  }
  asked(kind) {
    return this.sent.filter((command) => command[kind]).at(-1);
  }
  accept() {
    this.onopen();
    this.say({ id: this.asked("connect").id, connect: { client: "c", version: "1", ping: 25, pong: true } });
  }
}
globalThis.WebSocket = FakeSocket;

function connected(t, listeners = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const client = new Client("ws://test", { data: { user: "ann" } });
  const subscription = client.subscribe("room:a", listeners);
  client.connect();
  FakeSocket.last.accept();
  return { client, subscription, socket: FakeSocket.last };
}

const subscribed = (socket, result) => socket.say({ id: socket.asked("subscribe").id, subscribe: { recoverable: true, epoch: "e", ...result } });
const pub = (offset) => ({ push: { channel: "room:a", pub: { data: offset, offset } } });

test("connect and subscribe go out in one frame, the data names the user", (t) => {
  const { socket } = connected(t);
  assert.deepEqual(socket.sent.map((command) => Object.keys(command)[1]), ["connect", "subscribe"]);
  assert.deepEqual(socket.sent[0].connect.data, { user: "ann" });
});

test("a ping is answered, and silence past the interval reconnects", (t) => {
  const { client, socket } = connected(t);
  subscribed(socket, {}); // unanswered, it would reconnect after five seconds
  socket.say({});
  assert.deepEqual(socket.sent.at(-1), {});
  t.mock.timers.tick(34_900);
  assert.equal(client.state, "connected");
  t.mock.timers.tick(200);
  assert.equal(client.state, "connecting");
});

test("each offset at most once, in order, across an interruption, from the position last seen", (t) => {
  const got = [];
  const states = [];
  const { socket } = connected(t, {
    publication: ({ offset }) => got.push(offset),
    subscribed: ({ recovered }) => states.push(recovered),
    subscribing: () => states.push("interrupted"),
    caughtUp: () => states.push("caught up"),
  });
  subscribed(socket, { offset: 4 });
  socket.say(pub(5), pub(5), pub(6), pub(4));
  socket.onclose({ code: 1006, reason: "" });
  t.mock.timers.tick(20_000);
  const again = FakeSocket.last;
  assert.notEqual(again, socket);
  again.accept();
  const { recover, offset, epoch } = again.asked("subscribe").subscribe;
  assert.deepEqual({ recover, offset, epoch }, { recover: true, offset: 6, epoch: "e" });
  subscribed(again, { offset: 6, was_recovering: true, recovered: true, publications: [{ data: 7, offset: 7 }, { data: 8, offset: 8 }] });
  again.say(pub(8), pub(9));
  assert.deepEqual(got, [5, 6, 7, 8, 9]);
  assert.deepEqual(states, [false, "caught up", "interrupted", true, "caught up"]);
});

test("unsubscribe 2500 subscribes again, 2000 ends it", (t) => {
  const ended = [];
  const { socket } = connected(t, { unsubscribed: (code) => ended.push(code) });
  subscribed(socket, { offset: 3 });
  socket.say({ push: { channel: "room:a", unsubscribe: { code: 2500, reason: "insufficient state" } } });
  assert.equal(socket.asked("subscribe").subscribe.offset, 3);
  subscribed(socket, { offset: 3, recovered: true, was_recovering: true });
  socket.say({ push: { channel: "room:a", unsubscribe: { code: 2000, reason: "server unsubscribe" } } });
  assert.deepEqual(ended, [2000]);
});

test("terminal codes stop, others come back", (t) => {
  for (const code of [3500, 3503, 3999, 4500, 1009]) assert.ok(isFinal(code), code);
  for (const code of [1000, 1006, 3000, 3008, 3012, 3499, 4000, 4499, 5000]) assert.ok(!isFinal(code), code);
  const { client, socket } = connected(t);
  const before = FakeSocket.count;
  socket.onclose({ code: 3500, reason: "invalid token" });
  assert.equal(client.state, "disconnected");
  t.mock.timers.tick(60_000);
  assert.equal(FakeSocket.count, before);
});

test("an expired token is fetched anew; a refused one stops", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const tokens = ["old", "new"];
  const client = new Client("ws://test", { getToken: async () => tokens.shift() });
  client.connect();
  await new Promise(setImmediate);
  const first = FakeSocket.last;
  first.onopen();
  assert.equal(first.asked("connect").connect.token, "old");
  first.say({ id: 1, error: { code: 109, message: "token expired" } });
  await new Promise(setImmediate);
  t.mock.timers.tick(20_000);
  await new Promise(setImmediate);
  FakeSocket.last.onopen();
  assert.equal(FakeSocket.last.asked("connect").connect.token, "new");
  FakeSocket.last.say({ id: 2, error: { code: 101, message: "unauthorized" } });
  await new Promise(setImmediate);
  assert.equal(client.state, "disconnected");
});

test("backoff has full jitter within its bounds", () => {
  for (let attempt = 0; attempt < 50; attempt++) {
    assert.equal(backoffMs(attempt, () => 0), 300);
    assert.ok(backoffMs(attempt, () => 1) <= 20_000);
  }
  assert.ok(backoffMs(9, () => 1) > backoffMs(1, () => 1));
});

test("a message whose answer was lost is sent again under the same key, once, in order", async () => {
  const { ProtocolError } = await load("greenroom.js");
  const tried = [];
  let broken = true;
  const outbox = new Outbox(
    async (item) => {
      tried.push([item.text, item.id]);
      if (broken) throw new ProtocolError(2, "closed");
      return { offset: tried.length };
    },
    () => {},
  );
  outbox.add("a", null);
  outbox.add("b", null);
  await new Promise(setImmediate);
  assert.deepEqual(outbox.items.map((item) => item.state), ["pending", "pending"]);
  broken = false;
  await outbox.run();
  assert.deepEqual(tried.slice(-2).map(([text]) => text), ["a", "b"]);
  assert.equal(new Set(tried.map(([, id]) => id)).size, 2);
  assert.equal(outbox.items.length, 0);
});

// ---- the room

const event = (offset, type, fields) => ({ offset, time: offset * 1000, data: { type: `room.${type}`, ...fields } });

test("walking history backwards shows old messages with the changes that came after them", () => {
  const journal = [
    event(1, "message", { author: "ann", text: "first" }),
    event(2, "message", { author: "bob", text: "second" }),
    event(3, "reacted", { message: 1, emoji: "👍", user: "bob" }),
    event(4, "message", { author: "ann", text: "third" }),
    event(5, "edited", { message: 1, text: "first, edited", by: "ann" }),
    event(6, "edited", { message: 1, text: "first, edited twice", by: "ann" }),
    event(7, "deleted", { message: 2, by: "bob" }),
    event(8, "reacted", { message: 4, emoji: "🎉", user: "bob" }),
  ];
  const room = new Room("a");
  room.applyView({ messages: [{ offset: 4, author: "ann", text: "third", at_ms: 4000, reactions: { "🎉": ["bob"] } }] });
  for (let top = 9; !room.complete; ) {
    const page = journal.filter((one) => one.offset < top).reverse().slice(0, 3);
    room.applyHistory(page, 3);
    top = room.cursor;
  }
  assert.deepEqual(room.list().map(({ text, deleted }) => [text, deleted]), [["first, edited twice", false], ["", true], ["third", false]]);
  assert.deepEqual([...room.entries.get(1).reactions.get("👍")], ["bob"]);
  assert.deepEqual([...room.entries.get(4).reactions.get("🎉")], ["bob"]);
});

test("a live change to a message not yet loaded is not forgotten", () => {
  const room = new Room("a");
  room.applyView({ messages: [{ offset: 4, author: "ann", text: "four", at_ms: 1 }] });
  room.applyPublication(event(5, "edited", { message: 1, text: "late", by: "ann" }));
  room.applyHistory([event(5, "edited", { message: 1, text: "late", by: "ann" }), event(4, "message", { author: "ann", text: "four" }), event(1, "message", { author: "ann", text: "one" })], 3);
  assert.equal(room.entries.get(1).text, "late");
});

test("members come, change and go", () => {
  const room = new Room("a");
  room.applyView({ members: [{ user: "ann", role: "owner", read: 2 }], member_count: 1 });
  room.applyPublication(event(3, "joined", { user: "bob", role: "member" }));
  room.applyPublication(event(4, "read", { user: "bob", message: 2 }));
  room.applyPublication(event(5, "role", { user: "bob", role: "moderator", by: "ann" }));
  assert.deepEqual(room.members.get("bob"), { role: "moderator", read: 2 });
  room.applyPublication(event(6, "banned", { user: "bob", by: "ann" }));
  assert.deepEqual([room.memberCount, room.members.has("bob")], [1, false]);
});

test("a busy room stays bounded, and can be scrolled back again", () => {
  const room = new Room("a");
  room.applyView({});
  for (let offset = 1; offset <= 2000; offset++) room.applyPublication(event(offset, "message", { author: "ann", text: String(offset) }));
  assert.ok(room.entries.size <= 800);
  assert.equal(room.list().at(-1).text, "2000");
  assert.equal(room.cursor, Infinity);
  assert.equal(room.complete, false);
});

test("typing is forgotten after a while, and when the message comes", () => {
  const room = new Room("a");
  room.applyPublication({ data: { type: "room.typing", user: "bob" } }, 1000);
  assert.deepEqual(room.typists(2000), ["bob"]);
  assert.deepEqual(room.typists(7000), []);
  room.applyPublication({ data: { type: "room.typing", user: "bob" } }, 8000);
  room.applyPublication(event(1, "message", { author: "bob", text: "x" }), 8100);
  assert.deepEqual(room.typists(8200), []);
});

test("what was written before a reload is sent after it, under the same key", async () => {
  let stored = "";
  const kept = { load: () => stored, save: (text) => (stored = text) };
  const before = new Outbox(() => new Promise(() => {}), () => {}, kept);
  before.add("first", null);
  before.add("second", 3);
  const sent = [];
  const after = new Outbox(async (item) => sent.push([item.id, item.text, item.replyTo]), () => {}, kept);
  assert.deepEqual(after.items.map((item) => item.state), ["pending", "pending"]);
  await after.run();
  assert.deepEqual(sent, before.items.map((item) => [item.id, item.text, item.replyTo]));
  assert.deepEqual([after.items, stored], [[], ""]);
  stored = "not ours";
  assert.deepEqual(new Outbox(async () => {}, () => {}, kept).items, []);
});

test("the key of a direct conversation is the server's", () => {
  assert.equal(directKey("bob", "ann"), "@ann+bob");
  assert.equal(directKey("ann", "anna"), "@ann+anna");
  assert.equal(directKey("anna", "ann"), "@ann+anna");
  assert.equal(directKey("\u{1f600}", "\ufb33x"), "@\ufb33x+\u{1f600}"); // by code points, not by UTF-16
  assert.equal(directKey("100%", "a+b"), "@100%25+a%2Bb");
  assert.equal(directKey("%2B", "z"), "@%252B+z");
});

test("the partner in a direct conversation is found again, whatever the name holds", () => {
  for (const user of ["bob", "100%", "a+b", "%2B", "\u{1f600}"]) assert.equal(partnerIn(directKey(user, "me"), "me"), user);
  assert.equal(partnerIn("@ann+bob", "cat"), null);
  assert.equal(partnerIn("lobby", "me"), null);
});

test("a subscription's position goes on past what is hidden, and a new epoch counts from its beginning", () => {
  const seen = [];
  const subscription = new Subscription("room:a", { publication: (pub) => seen.push(pub.offset) });
  subscription.begin({ recoverable: true, epoch: "e", offset: 3, data: {} });
  subscription.begin({ recoverable: true, recovered: true, epoch: "e", offset: 9, publications: [{ offset: 4, data: 1 }] });
  assert.equal(subscription.request().offset, 9);
  subscription.take({ offset: 9, data: 1 });
  subscription.take({ offset: 2, epoch: "f", data: 1 });
  subscription.take({ offset: 2, epoch: "f", data: 1 });
  subscription.take({ offset: 3, data: 1 });
  assert.deepEqual(seen, [4, 2, 3]);
  assert.deepEqual([subscription.request().epoch, subscription.request().offset], ["f", 3]);
});

test("a page of a view follows what changes, and is put in order", () => {
  const page = new Page("user", "room");
  const row = (room, at_ms) => ({ user: "ann", room, at_ms });
  page.change({ set: row("early", 1) }); // before the page came
  page.begin({ rows: [row("a", 3), row("b", 2)] });
  page.change({ set: row("c", 4) });
  page.change({ set: row("b", 5) });
  page.change({ gone: { room: "a", user: "ann" } });
  page.change({ gone: { room: "never", user: "ann" } });
  assert.deepEqual(page.sorted("at_ms").map(({ room }) => room), ["b", "c"]);
  page.begin({ rows: [] });
  assert.deepEqual(page.sorted("at_ms"), []);
});

test("a key in a path is one segment", () => {
  assert.equal(inPath("a/b c%"), "a%2Fb%20c%25");
  assert.equal(inPath("@ann+bob"), "@ann%2Bbob");
});

test("the sidebar has conversations as they are counted, then rooms that were looked at", () => {
  const rows = [
    { room: "lobby", title: "Lobby", unread: 3, mentions: 1, last_author: "bob", last_text: "hi" },
    { room: "crowd", title: "", unread: null, mentions: 0, last_author: "", last_text: "" },
  ];
  const items = sidebarOf({ rows, looked: ["lobby", "seen"] });
  assert.deepEqual(items.map(({ key }) => key), ["lobby", "crowd", "seen"]);
  assert.deepEqual(items.map(newsOf), ["3 unread, you are mentioned", "", ""]);
  assert.equal(items[0].line, "bob: hi");
  assert.equal(sidebarOf({ rows, looked: [], me: "bob" })[0].line, "You: hi");
  assert.equal(newsOf(sidebarOf({ rows, looked: [], read: "lobby" })[0]), "", "what is being read is not news");
  assert.equal(newsOf({ unread: 100, mentions: 0 }), "more than 99 unread");
});

test("rooms are found by a part of their title or key", () => {
  const rows = [{ room: "lobby", title: "" }, { room: "tea", title: "The LOBBY of tea" }, { room: "den", title: "" }];
  assert.deepEqual(roomsLike(rows, "lob").map(({ room }) => room), ["lobby", "tea"]);
});

/** A server with profiles that answers when it is told to. */
function profiles(t, found = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const made = { asked: [], drawn: 0, under_way: 0, most: 0, answers: [] };
  const read = (user) => {
    made.asked.push(user);
    made.most = Math.max(made.most, ++made.under_way);
    return new Promise((resolve, reject) => made.answers.push(() => (made.under_way--, found[user] instanceof Error ? reject(found[user]) : resolve(found[user]))));
  };
  made.names = new Names(read, () => made.drawn++);
  /** Until nothing is under way, and what came is drawn. */
  made.settle = async () => {
    for (let calm = 0; calm < 3; ) {
      t.mock.timers.tick(30);
      calm = made.answers.length ? 0 : calm + 1;
      for (const answer of made.answers.splice(0)) answer();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return made;
}

test("people are called by their ids until their names are known, and drawn anew once", async (t) => {
  const server = profiles(t, { ann: { name: "Ann Áron", avatar: "ab" }, bob: { name: "Bob", avatar: "" } });
  const { names, settle } = server;
  assert.deepEqual(["ann", "bob", "cat", "ann"].map((user) => names.of(user).name), ["ann", "bob", "cat", "ann"]);
  assert.deepEqual(server.asked, [], "not in the middle of drawing");
  t.mock.timers.tick(30);
  names.of("ann"); // is under way
  await settle();
  assert.deepEqual(server.asked.toSorted(), ["ann", "bob", "cat"], "each once");
  assert.equal(server.drawn, 1);
  assert.deepEqual(names.of("ann"), { user: "ann", name: "Ann Áron", picture: "ab" });
  assert.deepEqual(names.of("cat"), { user: "cat", name: "cat", picture: "" });
  await settle();
  assert.equal(server.asked.length, 3, "what is known is not asked again, also that there is no profile");
});

test("a name that came is drawn, and none that is as it was", async (t) => {
  const server = profiles(t, { ann: { name: "Ann" } });
  for (const user of ["ann", "bob"]) server.names.of(user);
  await server.settle();
  assert.equal(server.drawn, 1);
  t.mock.timers.tick(6 * 60_000);
  server.names.of("ann");
  await server.settle();
  assert.deepEqual([server.asked, server.drawn], [["ann", "bob", "ann"], 1], "asked again after a while");
});

test("a few are asked about at once, and a crowd waits no longer than it is looked at", async (t) => {
  const server = profiles(t);
  for (let number = 0; number < 1_000; number++) server.names.of(`u${number}`);
  await server.settle();
  assert.equal(server.most, 4);
  assert.equal(server.asked.length, 200);
  assert.ok(server.asked.includes("u999") && !server.asked.includes("u0"), "those who were shown last");
});

test("who was not shown for longest is forgotten first", async (t) => {
  const server = profiles(t);
  const show = async (user) => {
    server.names.of(user);
    await server.settle();
  };
  await show("ann");
  for (let from = 0; from < 2_000; from += 100) {
    for (let number = from; number < from + 100; number++) server.names.of(`u${number}`);
    await show("ann");
  }
  const before = server.asked.length;
  await show("ann");
  assert.equal(server.asked.length, before);
  await show("u0");
  assert.equal(server.asked.length, before + 1);
});

test("an answer that does not come leaves what is shown, and is asked for again later", async (t) => {
  const found = { ann: new Error("overloaded") };
  const server = profiles(t, found);
  server.names.of("ann");
  await server.settle();
  assert.equal(server.names.of("ann").name, "ann");
  await server.settle();
  assert.equal(server.asked.length, 1, "not at once");
  found.ann = { name: "Ann" };
  t.mock.timers.tick(61_000);
  server.names.of("ann");
  await server.settle();
  assert.equal(server.names.of("ann").name, "Ann");
});

test("nobody is asked about where there are no profiles, nor nobody", (t) => {
  const server = profiles(t);
  const names = new Names(null, () => assert.fail());
  assert.equal(names.of("ann").name, "ann");
  server.names.of("");
  server.names.of("ann", { ask: false });
  t.mock.timers.tick(1_000);
  assert.deepEqual(server.asked, []);
});

test("a row is drawn anew when its author, or whom it quotes, is called something else", () => {
  const room = new Room("a");
  room.applyView({ members: [{ user: "ann", read: 9 }, { user: "bob", read: 9 }] });
  room.applyPublication({ offset: 1, data: { type: "room.joined", user: "ann" }, time: 1 });
  room.applyPublication({ offset: 2, data: { type: "room.message", author: "ann", text: "hi" }, time: 2 });
  room.applyPublication({ offset: 3, data: { type: "room.message", author: "bob", text: "hi", reply_to: 2 }, time: 3 });
  room.applyPublication({ offset: 4, data: { type: "room.message", author: "bob", text: "there" }, time: 4 });
  const rows = (known) => {
    const person = (user) => ({ user, name: user, picture: "", ...known[user] });
    return rowsOf({ entries: room.list(), outbox: [], me: "bob", unreadFrom: 0, complete: false, members: room.members, title: "a", person });
  };
  const signs = (known) => rows(known).map(({ sign }) => sign);
  const [, joined, hers, his, last] = rows({ ann: { name: "Ann Áron" } });
  assert.deepEqual([joined.text, hers.by.name, his.quotes, last.seen], ["Ann Áron joined", "Ann Áron", "Ann Áron", "Seen by Ann Áron"]);
  const changed = (known) => signs({}).map((sign, at) => sign !== signs(known)[at]);
  assert.deepEqual(changed({ ann: { name: "Ann" } }), [false, true, true, true, true]);
  assert.deepEqual(changed({ ann: { picture: "ab" } }), [false, false, true, false, false]);
});
