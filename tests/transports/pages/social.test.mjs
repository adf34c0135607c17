// The modules of the page of people and posts without a page: run by test_modules.py with `node --test`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const load = (name) => import(pathToFileURL(`${process.env.STATIC}/${name}`).href);
const { ProtocolError } = await load("greenroom.js");
const { Posts, countOf, reacted } = await load("social/posts.js");
const { News, newestOf } = await load("social/news.js");
const { Signals } = await load("social/seen.js");
const { Comments } = await load("social/comments.js");
const { Notices, addressOf } = await load("social/notices.js");
const { ago, explain, isExpired, many, partsOf } = await load("social/words.js");
const { again } = await load("social/session.js");
const { upload } = await load("social/upload.js");
const { firstOf, step } = await load("social/stories.js");

const at = (id, fields = {}) => ({ id, author: "bob", at_ms: 1, text: id, ...fields });
const later = () => {
  const promise = {};
  promise.done = new Promise((resolve, reject) => Object.assign(promise, { resolve, reject }));
  return promise;
};

// ---- posts

test("a reaction takes the place of the one before", () => {
  const once = reacted({ reactions: { like: 2 }, mine: "" }, "like");
  assert.deepEqual(once, { reactions: { like: 3 }, mine: "like" });
  const other = reacted({ ...once }, "love");
  assert.deepEqual(other, { reactions: { like: 2, love: 1 }, mine: "love" });
  assert.deepEqual(reacted(other, ""), { reactions: { like: 2 }, mine: "" });
  assert.equal(countOf(other), 3);
  assert.deepEqual(reacted({}, ""), { reactions: {}, mine: "" });
});

test("a like is shown at once, and taken back when it is refused", async () => {
  const posts = new Posts();
  posts.put([at("p", { reactions: { like: 4 } })]);
  const answer = later();
  const asked = posts.react("p", "like", () => answer.done);
  assert.deepEqual(posts.get("p").reactions, { like: 5 });
  posts.counted("p", { reactions: { like: 4 }, comments: 1, shares: 0 });
  assert.deepEqual(posts.get("p").reactions, { like: 5 }, "counts that may be older than it");
  assert.equal(posts.get("p").comments, 1);
  answer.reject(new Error("no"));
  await assert.rejects(asked, /no/);
  assert.deepEqual([posts.get("p").reactions, posts.get("p").mine], [{ like: 4 }, ""]);
  posts.counted("p", { reactions: { like: 9 }, comments: 1, shares: 0 });
  assert.deepEqual(posts.get("p").reactions, { like: 9 });
});

test("of several reactions in a row one is sent at a time, and the last counts", async () => {
  const posts = new Posts();
  posts.put([at("p")]);
  const sent = [];
  const answers = [later(), later()];
  const send = (reaction) => answers[sent.push(reaction) - 1].done;
  const asked = posts.react("p", "like", send);
  posts.react("p", "", send);
  posts.react("p", "love", send);
  assert.deepEqual([sent, posts.get("p").mine], [["like"], "love"]);
  answers[0].resolve({ reactions: { like: 1 }, mine: "like" });
  answers[1].resolve({ reactions: { love: 1 }, mine: "love" });
  await asked;
  assert.deepEqual([sent, posts.get("p").reactions, posts.get("p").mine], [["like", "love"], { love: 1 }, "love"]);
});

test("a page that was read meanwhile does not undo what is on its way", async () => {
  const posts = new Posts();
  posts.put([at("p")]);
  const answer = later();
  const asked = posts.react("p", "like", () => answer.done);
  posts.put([at("p", { comments: 7 })]);
  assert.deepEqual([posts.get("p").mine, posts.get("p").comments], ["like", 7]);
  answer.resolve({ reactions: { like: 1 }, mine: "like" });
  await asked;
});

test("a post is put anew whole, with what it shares, and its lists hear of it", () => {
  const posts = new Posts();
  const heard = [];
  posts.addEventListener("change", ({ detail }) => heard.push(detail));
  assert.deepEqual(posts.put([at("p", { comments: 3, shared: at("q") })]), ["p"]);
  assert.deepEqual(heard, ["q", "p"]);
  posts.put([at("p")]);
  assert.equal(posts.get("p").comments, undefined);
  posts.gone("p");
  assert.ok(posts.get("p").gone);
});

test("posts are known up to a bound", () => {
  const posts = new Posts();
  posts.put(Array.from({ length: 2500 }, (_, number) => at(String(number))));
  assert.equal(posts.get("0"), undefined);
  assert.ok(posts.get("2499") && posts.get("500"));
});

// ---- what is new

test("what came whole and was shown is not new any more", () => {
  const news = new News();
  news.told(2);
  news.came([at("b"), at("a")]);
  assert.deepEqual([news.count, news.isWhole], [2, true]);
  assert.deepEqual(news.take().map(({ id }) => id), ["b", "a"]);
  assert.equal(news.count, 0);
  news.told(3); // the server counts since the feed was read
  assert.deepEqual([news.count, news.isWhole], [1, false]);
  news.came([at("c")]);
  assert.deepEqual([news.count, news.isWhole], [1, true]);
  news.read();
  assert.equal(news.count, 0);
});

test("what is told and changes no count is something else", () => {
  const news = new News();
  assert.deepEqual([0, 1, 1, 0].map((count) => news.told(count)), [false, true, false, true]);
});

test("another device has read it", () => {
  const news = new News();
  news.told(5);
  news.came([at("a")]);
  news.take();
  news.told(0);
  assert.equal(news.count, 0);
  news.told(1);
  assert.equal(news.count, 1);
});

test("a post that waits, or is shown, comes once", () => {
  const news = new News();
  news.came([at("b"), at("a")]);
  news.came([at("d"), at("c"), at("b")], ["c"]);
  assert.deepEqual(news.take().map(({ id }) => id), ["d", "b", "a"]);
  assert.equal(newestOf(["0b", "0d", "0c"]), "0d");
  assert.equal(newestOf([]), "");
});

// ---- what was seen

const did = (signals) => signals.take().map(({ post, did }) => `${post} ${did}`);

test("a post is seen once, after a second on the screen", () => {
  const signals = new Signals();
  signals.enter("a", 3, 0);
  signals.tick(900);
  signals.leave("a", 950);
  assert.deepEqual(did(signals), [], "it flew by");
  signals.enter("a", 3, 2000);
  signals.tick(3000);
  assert.deepEqual(signals.take(), [{ post: "a", did: "seen", position: 3 }]);
  signals.tick(4000);
  signals.leave("a", 3500);
  signals.enter("a", 3, 5000);
  signals.tick(7000);
  assert.deepEqual(did(signals), []);
});

test("who stays long dwells", () => {
  const signals = new Signals();
  signals.enter("a", 0, 0);
  signals.enter("b", 1, 0);
  signals.leave("a", 2900);
  signals.leaveAll(4000);
  assert.deepEqual(signals.take(), [
    { post: "a", did: "seen", position: 0 },
    { post: "b", did: "seen", position: 1 },
    { post: "b", did: "dwelt", ms: 4000, position: 1 },
  ]);
  signals.enter("c", 0, 0);
  signals.leave("c", 9e9);
  assert.equal(signals.take()[1].ms, 3_600_000, "as long as the server takes it");
});

test("what could not be told is told with the next, within a bound", () => {
  const signals = new Signals();
  for (let number = 0; number < 1000; number++) signals.clicked(String(number));
  const batch = signals.take();
  assert.deepEqual([batch.length, signals.take().length, signals.take().length], [200, 200, 0]);
  for (let number = 0; number < 100; number++) signals.clicked(String(number));
  signals.back(batch);
  assert.deepEqual([signals.take().length, signals.take().length], [200, 0], "what is more is nothing that anybody waits for");
});

// ---- comments

const offsets = (comments) => comments.ordered().map(({ comment, isReply }) => `${isReply ? "-" : ""}${comment.offset}`).join(" ");

test("comments come in order, replies below what they answer", () => {
  const comments = new Comments();
  comments.page({ comments: [{ offset: 5, author: "cee", text: "5", reply_to: 2 }, { offset: 4, author: "b", text: "4" }, { offset: 2, author: "a", text: "2" }], next: "more" });
  comments.publication({ offset: 7, data: { type: "thread.commented" } });
  assert.equal(comments.publication({ data: { type: "thread.said", offset: 7, at_ms: 70, author: "a", text: "7", reply_to: 5 } }), false);
  assert.deepEqual([offsets(comments), comments.next], ["2 -5 -7 4", "more"]);
  comments.publication({ data: { type: "thread.edited", comment: 4 } });
  comments.publication({ data: { type: "thread.said", offset: 4, at_ms: 40, author: "b", text: "four", edited_ms: 80 } });
  comments.publication({ data: { type: "thread.likes", offset: 4, likes: 3 } });
  comments.said({ offset: 4, author: "b", text: "its publication was faster" });
  assert.deepEqual([comments.get(4).text, comments.get(4).likes], ["four", 3]);
  comments.publication({ data: { type: "thread.deleted", comment: 2 } });
  assert.equal(offsets(comments), "4 5 -7", "a reply to what is gone stands by itself");
});

test("what somebody says who was not read before may be of one who is muted, and is read first", () => {
  const comments = new Comments();
  comments.page({ comments: [{ offset: 2, author: "bob", text: "2" }] });
  const said = (offset, author) => comments.publication({ data: { type: "thread.said", offset, author, at_ms: 1, text: "x" } }, "ann");
  assert.deepEqual([said(3, "bob"), said(4, "ann"), said(5, "cee")], [false, false, true]);
  assert.equal(offsets(comments), "2 3 4");
  comments.begin({ comments: [{ offset: 5, author: "cee", text: "5" }, { offset: 3, author: "bob", text: "3" }] }, "ann");
  assert.deepEqual([said(6, "cee"), offsets(comments)], [false, "2 3 4 5 6"]);
});

test("pages of comments may be behind, the newest that are read anew are not", () => {
  const comments = new Comments();
  comments.said({ offset: 6, author: "ann", text: "new" });
  comments.page({ comments: [{ offset: 5, author: "bob", text: "old" }, { offset: 3, author: "bob", text: "3" }], next: "more" });
  assert.equal(offsets(comments), "3 5 6");
  comments.begin({ comments: [{ offset: 7, author: "cee", text: "7" }, { offset: 5, author: "bob", text: "edited" }, { offset: 4, author: "bob", text: "4" }] }, "ann");
  assert.equal(offsets(comments), "3 4 5 6 7", "one of ann's that a moderator looks at stays hers to see");
  comments.begin({ comments: [{ offset: 7, author: "cee", text: "7" }, { offset: 4, author: "bob", text: "4" }] }, "ann");
  assert.equal(offsets(comments), "3 4 6 7", "deleted while nobody watched");
  comments.page({ comments: [{ offset: 4, author: "bob", text: "late" }, { offset: 1, author: "bob", text: "1" }] });
  assert.deepEqual([offsets(comments), comments.get(4).text, comments.next], ["1 3 4 6 7", "4", null]);
  comments.begin({}, "ann");
  assert.equal(offsets(comments), "6", "none is left of others");
});

// ---- notices

test("notices are kept as the channel tells", () => {
  const notices = new Notices();
  notices.begin({ unread: 1, groups: [{ id: 4, at_ms: 40, says: "four", read: false }] });
  notices.publication({ data: { type: "inbox.group", id: 6, at_ms: 60, says: "six", count: 1, unread: 2 } });
  notices.publication({ data: { type: "inbox.group", id: 4, at_ms: 70, says: "four more", count: 2, unread: 2 } });
  assert.deepEqual([notices.unread, notices.list().map(({ says }) => says)], [2, ["four more", "six"]]);
  notices.publication({ data: { type: "inbox.unread", groups: [4], unread: 1 } });
  assert.deepEqual([notices.unread, notices.list()[0].read], [1, true]);
  notices.publication({ data: { type: "inbox.group", id: 6, count: 0, unread: 0 } });
  notices.earlier([{ group: 4, state: "unread", at_ms: 1 }, { group: 2, state: "read", at_ms: 20, says: "two" }, { group: 1, state: "archived", at_ms: 10 }], notices.moment);
  assert.deepEqual(notices.list().map(({ id, says }) => [id, says]), [[4, "four more"], [2, "two"]]);
  notices.publication({ data: { type: "inbox.unread", groups: [2], unread: 0, archived: true } });
  assert.deepEqual(notices.list().map(({ id }) => id), [4]);
  notices.publication({ data: { type: "inbox.seen" } });
});

test("what a notice says comes behind it, and goes before it", () => {
  const notices = new Notices();
  const texts = () => notices.list().map(({ text }) => text);
  notices.publication({ data: { type: "inbox.group", id: 6, at_ms: 60, says: "six", count: 1, unread: 1, text: "" } });
  notices.publication({ data: { type: "inbox.said", id: 6, text: "hello" } });
  notices.publication({ data: { type: "inbox.said", id: 7, text: "of none that there is" } });
  assert.deepEqual(texts(), ["hello"]);
  notices.publication({ data: { type: "inbox.said", id: 6, text: "" } });
});

test("what notices said while nobody listened is in rows, which may be late", () => {
  const notices = new Notices();
  const text = () => notices.list()[0].text;
  const row = { group: 6, at_ms: 60, count: 2, names: ["bob", "ann"], text: "while nobody listened" };
  const told = { type: "inbox.group", id: 6, at_ms: 60, count: 2, names: ["bob", "ann"], text: "" };
  notices.publication({ data: told });
  for (const [name, other] of Object.entries({ at_ms: 50, count: 3, names: ["cat", "ann"], group: 8 })) {
    notices.texts([{ ...row, [name]: other }], notices.moment);
    assert.equal(text(), "", `it has another ${name}`);
  }
  for (const data of [told, { type: "inbox.said", id: 6, text: "" }]) {
    const asked = notices.moment;
    notices.publication({ data });
    notices.texts([row], asked);
    assert.equal(text(), "", `${data.type} is newer`);
  }
  let asked = notices.moment;
  notices.begin({ groups: [told] });
  notices.texts([row], asked);
  assert.equal(text(), "", "so is a view");
  asked = notices.moment;
  notices.publication({ data: { ...told, id: 7, at_ms: 1 } });
  notices.texts([row], asked);
  assert.equal(text(), "while nobody listened");
});

test("rows are asked for as of what the channel has told, since one that is late has what was taken back", () => {
  const notices = new Notices();
  assert.deepEqual(notices.asking("ann"), { limit: 50, at: undefined });
  notices.begin({ groups: [] }, 7);
  assert.deepEqual(notices.asking("ann"), { limit: 50, at: "inbox:ann@7" });
  // Both are bob's: no time, number or name of the group changes as the second is taken back.
  const told = { type: "inbox.group", id: 8, at_ms: 60, count: 1, names: ["bob"], text: "" };
  for (const offset of [8, 9, 12]) notices.publication({ offset, data: told });
  notices.publication({ data: { type: "inbox.said", id: 8, text: "" } });
  assert.equal(notices.asking("ann").at, "inbox:ann@12");
});

test("what has gone is not brought back by earlier rows that were asked for before", () => {
  const notices = new Notices();
  const row = { group: 6, state: "unread", at_ms: 60, text: "taken back" };
  let asked = notices.moment;
  notices.publication({ offset: 9, data: { type: "inbox.group", id: 6, count: 0, unread: 0 } });
  assert.equal(notices.earlier([row], asked), true);
  assert.deepEqual(notices.list(), []);
  asked = notices.moment;
  notices.publication({ offset: 10, data: { type: "inbox.unread", groups: [6], unread: 0, archived: true } });
  notices.earlier([row], asked);
  assert.deepEqual(notices.list(), []);
  asked = notices.moment;
  notices.begin({ groups: [] }, 11);
  assert.equal(notices.earlier([row], asked), false, "they are asked for again");
  assert.deepEqual(notices.list(), []);
});

test("a notice leads to what it is about", () => {
  assert.equal(addressOf({ about: "post:0198" }), "#/p/0198");
  assert.equal(addressOf({ about: "profile:ann b:c" }), "#/u/ann%20b%3Ac");
  assert.equal(addressOf({}), "#/notices");
});

// ---- words

test("tags, names and links are found as the server finds them", () => {
  const found = (text) => partsOf(text).map(({ text: shown, tag, user, href }) => (tag ? `[#${tag}]` : user ? `[@${user}]` : href ? `<${href}>` : shown));
  assert.deepEqual(found("a #Tea, and @ann."), ["a ", "[#tea]", ", and ", "[@ann]", "."]);
  assert.deepEqual(found("https://x.org/#no, a#no ##no #42 x@y.org @"), ["<https://x.org/#no>", ", a#no ##no #42 x@y.org @"]);
  assert.deepEqual(found("#café@ann"), ["[#café]", "@ann"]);
  assert.deepEqual(found("@ann@bob"), ["[@ann]", "@bob"]);
  assert.deepEqual(found("<b>@... #_</b>"), ["<b>@... ", "[#_]", "</b>"]);
  assert.equal(partsOf("a #Tea, and @ann. https://x.org").map(({ text }) => text).join(""), "a #Tea, and @ann. https://x.org");
});

test("errors are said in words", () => {
  assert.equal(explain(new ProtocolError(404, "feed.no_such_post: there is none")), "That post is gone, or not for you.");
  assert.equal(explain(new Error("profile.bad_name: it needs a letter or a digit")), "It needs a letter or a digit.");
  assert.equal(explain(new ProtocolError(1, "timeout", true)), "The server did not answer in time.");
  assert.equal(explain(new Error("some.rule")), "Something went wrong.");
  assert.equal(explain({}), "Something went wrong.");
  assert.deepEqual(["feed.cursor_expired: x", "feed.bad_cursor", "feed.bad_query"].map((message) => isExpired(new Error(message))), [true, true, false]);
});

test("times and counts are short", () => {
  const now = 1_800_000_000_000;
  assert.deepEqual([0, -5, 61, 7200, 3 * 86_400].map((seconds) => ago(now - seconds * 1000, now)), ["now", "now", "1 min", "2 h", "3 d"]);
  assert.match(ago(now - 30 * 86_400_000, now), /20/);
  assert.deepEqual([many(1, "post"), many(0, "post")], ["1 post", "0 posts"]);
});

// ---- asking

test("what may have another answer is asked again, the rest is not", async () => {
  const waited = [];
  const wait = async (ms) => waited.push(ms);
  const answers = [new ProtocolError(2, "gone"), new ProtocolError(503, "busy", true), "yes"];
  const send = async () => {
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  assert.equal(await again(send, { wait }), "yes");
  assert.equal(waited.length, 2);
  await assert.rejects(again(async () => { throw new ProtocolError(403, "no"); }, { wait }), /no/);
  assert.equal(waited.length, 2);
  let tries = 0;
  await assert.rejects(again(async () => { tries++; throw new ProtocolError(1, "timeout"); }, { wait, attempts: 3 }), /timeout/);
  assert.equal(tries, 3);
});

// ---- pictures

const answered = (status, headers = {}, body = {}) => ({ ok: status < 400, status, headers: new Map(Object.entries(headers)), json: async () => body });

/** A file, and a server of tus that fails as `faults` say, one a request. */
function uploads(size, faults = []) {
  const asked = [];
  let kept = 0;
  const fetch = async (url, { method, headers, body }) => {
    asked.push(`${method} ${new URL(url).pathname}`);
    const fault = method === "PATCH" ? faults.shift() : undefined;
    if (fault === "lost") throw new TypeError("Failed to fetch");
    if (method === "POST") return answered(201, { Location: "/media/abc" });
    if (method === "HEAD") return answered(200, { "Upload-Offset": String(kept) });
    if (fault?.status) return answered(fault.status, {}, { error: { message: fault.message } });
    assert.equal(Number(headers["Upload-Offset"]), kept);
    kept += body.size;
    if (fault === "answer lost") throw new TypeError("Failed to fetch");
    return answered(204, { "Upload-Offset": String(kept) });
  };
  const file = { name: "café.jpg", type: "image/jpeg", size, slice: (from, to) => ({ size: Math.min(to, size) - from }) };
  return { asked, file, options: { base: "http://test/social", headers: { "X-Greenroom-User": "ann" }, fetch, wait: async () => {} }, kept: () => kept };
}

test("a picture goes in pieces, and says how far it is", async () => {
  const { asked, file, options, kept } = uploads(1_200_000);
  const told = [];
  assert.equal(await upload(file, { ...options, told: (share) => told.push(share) }), "abc");
  assert.deepEqual(asked, ["POST /media", "PATCH /media/abc", "PATCH /media/abc", "PATCH /media/abc"]);
  assert.deepEqual([kept(), told.at(-1), told.length], [1_200_000, 1, 3]);
});

test("after a fault it goes on from where the server is", async () => {
  const { asked, file, options, kept } = uploads(1_000_000, ["lost", "answer lost", { status: 503, message: "busy" }]);
  assert.equal(await upload(file, options), "abc");
  assert.equal(kept(), 1_000_000);
  assert.equal(asked.filter((one) => one.startsWith("HEAD")).length, 3);
});

test("what is refused for good is not tried again, and neither is what fails for ever", async () => {
  const full = uploads(100, [{ status: 413, message: "uploads.full: no room" }]);
  await assert.rejects(upload(full.file, full.options), /no room/);
  assert.equal(full.asked.length, 2);
  const away = uploads(100, Array(20).fill("lost"));
  await assert.rejects(upload(away.file, away.options), /fetch/);
  assert.equal(away.asked.filter((one) => one.startsWith("PATCH")).length, 6);
});

// ---- stories

test("the viewer goes through the stories of one, and then of the next", () => {
  const rings = [{ stories: ["a", "b"], unseen: 1 }, { stories: ["c"], unseen: 0 }];
  assert.deepEqual(step(rings, { ring: 0, story: 0 }, 1), { ring: 0, story: 1 });
  assert.deepEqual(step(rings, { ring: 0, story: 1 }, 1), { ring: 1, story: 0 });
  assert.equal(step(rings, { ring: 1, story: 0 }, 1), null);
  assert.deepEqual(step(rings, { ring: 1, story: 0 }, -1), { ring: 0, story: 1 });
  assert.equal(step(rings, { ring: 0, story: 0 }, -1), null);
  assert.deepEqual(rings.map(firstOf), [1, 0]);
});
