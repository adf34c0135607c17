// The chat page in Chromium, as its users meet it. Run by tests/e2e/test_pages.py.

import assert from "node:assert/strict";
import { forgive, openWindow, serveScenarios } from "./browser.mjs";
import { ask, until } from "./scenarios.mjs";

/** A window of somebody's own, in a room. */
async function open(url, room, user, options = {}) {
  const asked = new URLSearchParams({ room: room.replace("room:", ""), ...(user ? { user } : {}) });
  return openWindow(`${url}/?${asked}`, user, options);
}

const box = (page) => page.getByRole("textbox", { name: "Message" });
const messages = (page) => page.locator("#list .message");
const message = (page, text) => messages(page).filter({ hasText: text });
const members = (page) => page.locator("#member-list li.here");
const status = (page) => page.locator("#status");

async function say(page, text) {
  await box(page).fill(text);
  await box(page).press("Enter");
}

const entry = (page, room) => page.locator("#room-list a").filter({ has: page.locator(".name", { hasText: room.replace("room:", "") }) });
const badges = async (page, room) => (await entry(page, room).locator(".badge").allInnerTexts()).join(" ");
const find = async (page, text) => {
  await page.keyboard.press("Control+k");
  await page.getByRole("searchbox", { name: "Search rooms and messages" }).fill(text);
};
const found = (page, text) => page.locator("#found a").filter({ hasText: text });

const arrived = (page, text) => message(page, text).first().waitFor();

/** Every text of the room once, in the order given. */
async function shows(page, texts) {
  const found = async () => {
    const all = await messages(page).allInnerTexts();
    return all.map((one) => texts.find((text) => one.includes(text))).filter(Boolean);
  };
  await until(async () => JSON.stringify(await found()) === JSON.stringify(texts), `${texts} on the page`).catch(async (error) => {
    throw new Error(`${error.message}; it shows ${JSON.stringify(await found())}`);
  });
}

const scenarios = {
  async two_windows_chat({ url, room }) {
    const ann = await open(url, room, "ann");
    const bob = await open(url, room, "bob");
    await say(ann, "Hello Bob");
    await arrived(bob, "Hello Bob");
    await say(bob, "Hello Ann");
    await arrived(ann, "Hello Ann");
    await say(ann, "<b>not bold</b> & \"quoted\"");
    await shows(bob, ["Hello Bob", "Hello Ann", "<b>not bold</b> & \"quoted\""]);
    await shows(ann, ["Hello Bob", "Hello Ann", "<b>not bold</b> & \"quoted\""]);
    await until(async () => (await members(ann).count()) === 2, "both among the members");
    assert.match((await members(ann).allTextContents()).join(), /bob/);
    assert.match(await ann.locator("#subtitle").innerText(), /2 members/);
  },

  async history_is_there_after_a_reload({ url, room }) {
    const ann = await open(url, room, "ann");
    const texts = ["first", "second", "third"];
    for (const text of texts) await say(ann, text);
    await shows(ann, texts);
    await ann.reload();
    await shows(ann, texts);
    const carl = await open(url, room, "carl");
    await shows(carl, texts);
  },

  async older_messages_come_by_scrolling_up({ url, room, texts }) {
    const ann = await open(url, room, "ann");
    await arrived(ann, texts.at(-1));
    assert.equal(await message(ann, texts[0]).count(), 0);
    await until(async () => {
      await ann.locator("#scroller").evaluate((scroller) => scroller.scrollTo(0, 0));
      return (await message(ann, texts[0]).count()) === 1;
    }, "the oldest message");
  },

  async typing_is_shown_to_the_other({ url, room }) {
    const ann = await open(url, room, "ann");
    const bob = await open(url, room, "bob");
    await say(ann, "hi");
    await arrived(bob, "hi");
    await say(bob, "hi too");
    await arrived(ann, "hi too");
    await box(bob).pressSequentially("I am th");
    await ann.locator("#typing.shown", { hasText: "bob is typing" }).waitFor();
    await box(bob).press("Enter");
    await arrived(ann, "I am th");
    await ann.locator("#typing.shown").waitFor({ state: "detached" });
    assert.equal(await bob.locator("#typing.shown").count(), 0);
  },

  async a_name_is_asked_for_and_kept({ url, room }) {
    const page = await open(url, room, null);
    await page.getByLabel("Name", { exact: true }).fill("dora");
    await page.getByRole("button", { name: "Enter" }).click();
    await say(page, "here I am");
    await arrived(page, "here I am");
    await page.reload();
    await arrived(page, "here I am");
    assert.equal(await page.locator("#me-name").innerText(), "dora");
    assert.equal(await page.locator("#welcome[open]").count(), 0);
  },

  async a_restart_is_shown_and_nothing_is_missed({ url, room }) {
    const ann = await open(url, room, "ann");
    const bob = await open(url, room, "bob");
    await say(ann, "before");
    await arrived(bob, "before");
    await ask("stop the server");
    for (const page of [ann, bob]) await status(page).getByText("Reconnecting").waitFor();
    await say(bob, "while away"); // kept on the page until there is a server
    await message(bob, "while away").waitFor();
    await ask("start the server, and send");
    forgive(); // a browser complains of each connection that the stopped server refused
    const texts = ["before", "meanwhile", "while away"];
    for (const page of [ann, bob]) await status(page).getByText("Reconnecting").waitFor({ state: "detached" });
    // `meanwhile` was sent by somebody else before or after bob's message got through.
    await until(async () => (await messages(ann).count()) >= texts.length, "all messages");
    for (const page of [ann, bob]) for (const text of texts) {
      await arrived(page, text);
      assert.equal(await message(page, text).count(), 1, text);
    }
    assert.deepEqual(await messages(ann).evaluateAll((all) => all.length), 3);
    await say(ann, "after");
    await arrived(bob, "after");
  },

  async a_phone_has_room_for_it({ url, room }) {
    const phone = { viewport: { width: 375, height: 667 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
    const ann = await open(url, room, "ann", phone);
    const bob = await open(url, room, "bob");
    await box(ann).fill("from a phone");
    await ann.getByRole("button", { name: "Send" }).tap();
    await arrived(bob, "from a phone");
    await say(bob, `a long word: ${"w".repeat(300)}`);
    await arrived(ann, "a long word");
    const width = await ann.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 375, `${width} pixels wide`);
    const send = await ann.getByRole("button", { name: "Send" }).boundingBox();
    assert.ok(send.y + send.height <= 667 && send.width >= 36, JSON.stringify(send));
    await ann.getByRole("button", { name: "Members" }).tap();
    await ann.locator("#members.shown").waitFor();
    await until(async () => (await members(ann).count()) === 2, "the members");
  },

  async conversations_are_counted_live({ url, room }) {
    const ann = await open(url, `${room}-one`, "ann");
    const bob = await open(url, `${room}-one`, "bob");
    await say(ann, "hello");
    await arrived(bob, "hello");
    await say(bob, "hello to you");
    await arrived(ann, "hello to you");
    await ann.locator("#room-name").fill(`${room}-two`);
    await ann.locator("#room-name").press("Enter");
    await say(ann, "nobody here");
    await arrived(ann, "nobody here");
    await until(async () => (await badges(ann, `${room}-one`)) === "", "what was read, read");
    await say(bob, "where are you?");
    await until(async () => (await badges(ann, `${room}-one`)) === "1", "one unread");
    await say(bob, "@ann?");
    await until(async () => (await badges(ann, `${room}-one`)) === "@ 2", "two unread, and a mention");
    assert.match(await entry(ann, `${room}-one`).innerText(), /bob: @ann\?/);
    assert.match(await ann.locator("#room-list").ariaSnapshot(), /2 unread, you are mentioned/);
    assert.match(await ann.locator("#room-list a .name").first().innerText(), /-one$/, "the newest first");
    await entry(ann, `${room}-one`).click();
    await arrived(ann, "@ann?");
    await until(async () => (await badges(ann, `${room}-one`)) === "", "none unread");
    await ann.reload();
    await entry(ann, `${room}-two`).waitFor();
    assert.equal(await badges(ann, `${room}-one`), "");
  },

  async a_direct_message_comes_by_itself({ url, room, users }) {
    const [one, two] = users;
    const first = await open(url, room, one);
    const second = await open(url, `@${one}+${two}`, two);
    await say(second, "psst");
    await first.locator("#room-list a", { hasText: two }).waitFor();
    await until(async () => (await first.locator("#room-list a", { hasText: two }).locator(".badge").allInnerTexts()).join() === "1", "a new conversation");
    await first.locator("#room-list a", { hasText: two }).click();
    await arrived(first, "psst");
  },

  async people_are_called_by_their_names({ url, room, users, name, picture }) {
    const [me, other] = users;
    const page = await open(url, room, me);
    await arrived(page, "from the other");
    await page.locator("#list .byline b", { hasText: name }).waitFor();
    assert.equal(await page.locator("#list .byline b", { hasText: name }).getAttribute("title"), other);
    await page.locator("#member-list li", { hasText: name }).getByRole("button").click();
    await page.getByRole("heading", { name }).waitFor();
    await page.locator("#room-list a", { hasText: name }).waitFor();
    assert.equal(await page.locator(`#room-list a[data-key="@${users.join("+")}"] .name`).innerText(), name);
    // With a picture, which this server has none of.
    const profile = { rows: [{ user: other, name, avatar: "ab12" }] };
    await page.route("**/api/profiles/*", (route) => route.fulfill({ json: profile }));
    await page.route("**/media/ab12/thumb", (route) => route.fulfill({ contentType: "image/png", body: Buffer.from(picture, "base64") }));
    await page.goto(`${url}/?${new URLSearchParams({ room: room.replace("room:", ""), user: me })}`);
    const seen = page.locator("#list .message .avatar img");
    await until(async () => (await seen.count()) === 1 && (await seen.evaluate((image) => image.naturalWidth)) === 1, "the picture");
    await page.route("**/media/ab12/thumb", (route) => route.fulfill({ status: 404 }));
    await page.reload();
    await page.locator("#list .message .avatar", { hasText: /^RN$/ }).waitFor();
    await until(async () => (await seen.count()) === 0, "no picture where there is none");
    forgive("404");
  },

  async who_blocks_somebody_is_not_written_to({ url, users }) {
    const page = await open(url, `room:@${users.join("+")}`, users[0]);
    await say(page, "are you there?");
    await page.locator("#list .meta.bad", { hasText: "don’t write to one another" }).waitFor();
  },

  /** Without a mouse. */
  async rooms_and_messages_are_found({ url, room }) {
    const ann = await open(url, `${room}-a`, "ann");
    const bob = await open(url, `${room}-b`, "bob");
    await say(ann, "the pelican & friends are here");
    await arrived(ann, "pelican");
    await say(bob, "a pelican of bob's");
    await arrived(bob, "pelican");
    // Its row may come a little later than the message: who has searched before sees it with the next search.
    const appears = (text) => found(ann, text).first().waitFor({ timeout: 1_000 }).then(() => true, () => false);
    const searched = (text, shown) => until(async () => {
      await find(ann, "another");
      await find(ann, text);
      return appears(shown);
    }, `${shown} among what is found`);
    await searched("", `${room.replace("room:", "")}-b`);
    await find(ann, `${room.replace("room:", "")}-b`);
    await until(async () => (await found(ann, "").count()) === 1, "that room alone");
    await searched("pelican", "pelican");
    await found(ann, "pelican").locator("mark").waitFor();
    assert.equal(await found(ann, "pelican").count(), 1, "what is said in rooms that ann is not in is not found");
    assert.equal(await found(ann, "pelican").locator("mark").innerText(), "pelican");
    assert.match(await found(ann, "pelican").innerText(), /the pelican & friends are here/);
    await ann.keyboard.press("Escape");
    await ann.locator("#finder[open]").waitFor({ state: "detached" });
    // Who types at once searches before the directory is there.
    await ann.route(/rooms\/open\?limit=50/, async (route) => {
      await ann.waitForResponse((answer) => answer.url().includes("rooms/open?search="));
      await route.continue();
    });
    await find(ann, room.replace("room:", "").slice(1));
    await found(ann, `${room.replace("room:", "")}-b`).waitFor();
    await ann.unroute(/rooms\/open\?limit=50/);
    await find(ann, `${room.replace("room:", "")}-b`);
    await until(async () => (await found(ann, "").count()) === 1, "that room");
    await ann.keyboard.press("ArrowDown");
    await ann.keyboard.press("Enter");
    await arrived(ann, "a pelican of bob's");
    await say(ann, "I am here, too");
    await arrived(ann, "I am here, too");
    await until(async () => {
      await find(ann, "pelican");
      await found(ann, "pelican").first().waitFor();
      return (await found(ann, "pelican").count()) === 2;
    }, "the messages of both rooms");
    await ann.getByLabel("Only in").check();
    await until(async () => (await found(ann, "pelican").count()) === 1, "those of this room");
    await found(ann, "the").first().waitFor({ state: "detached" });
  },

  async a_message_that_was_found_is_shown({ url, room, text }) {
    const ann = await open(url, "room:elsewhere", "ann");
    await find(ann, text);
    await found(ann, text).first().click();
    await message(ann, text).waitFor();
    await until(async () => message(ann, text).evaluate((node) => {
      const { top, bottom } = node.getBoundingClientRect();
      return top >= 0 && bottom <= innerHeight;
    }), "it to be on the screen");
    assert.match(ann.url(), new RegExp(room.replace("room:", "")));
  },

  async a_phone_in_the_dark_finds_rooms({ url, room }) {
    const phone = { viewport: { width: 375, height: 667 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2, colorScheme: "dark" };
    const bob = await open(url, `${room}-b`, "bob");
    await say(bob, `a long word: ${"w".repeat(300)} walrus`);
    await arrived(bob, "a long word");
    const ann = await open(url, `${room}-a`, "ann", phone);
    await ann.getByRole("button", { name: "Rooms", exact: true }).tap();
    await ann.getByRole("button", { name: "Search" }).tap();
    await found(ann, `${room.replace("room:", "")}-b`).waitFor();
    const fits = await ann.evaluate(() => [document.documentElement.scrollWidth, document.getElementById("found").scrollWidth - document.getElementById("found").clientWidth]);
    assert.ok(fits[0] <= 375 && fits[1] <= 0, JSON.stringify(fits));
    const dark = await ann.evaluate(() => getComputedStyle(document.getElementById("finder")).backgroundColor);
    assert.match(dark, /rgb\((\d|[1-6]\d), /, dark);
    await found(ann, `${room.replace("room:", "")}-b`).tap();
    await arrived(ann, "a long word");
  },

  async two_bid_at_an_auction({ url, auction, users }) {
    const at = async (user) => {
      const page = await open(url, "room:none", user);
      await page.goto(`${url}/?${new URLSearchParams({ auction, user })}`);
      await page.getByText("reserve price not met").waitFor();
      return page;
    };
    const bid = async (page, cents) => {
      await page.getByLabel("Your bid").fill(String(cents));
      await page.getByRole("button", { name: "Bid" }).click();
    };
    const leads = (page, text) => page.locator("#best li").first().getByText(text, { exact: true }).waitFor();
    const [one, two] = users;
    const [first, second] = [await at(one), await at(two)];
    await bid(first, 1_200);
    for (const page of [first, second]) await leads(page, `${one}: 1200`);
    await first.getByText("1200 held for bids").waitFor();
    await ask("restart the server");
    await bid(second, 1_500);
    for (const page of [first, second]) await leads(page, `${two}: 1500`);
    await first.getByText("reserve price met").waitFor();
    await first.getByText("0 held for bids", { exact: false }).waitFor();
    forgive(); // of the connections that the server broke when it was killed
    await bid(first, 1_300);
    await first.getByRole("alert").getByText("1500 cents are bid").waitFor();
    forgive("409"); // a browser logs every refused request
  },

  /** Opened while its entity is too busy to answer, and again while the server is away. */
  async an_event_source_comes_again({ url, channel }) {
    const page = await open(url, "room:any", "ann");
    await ask("keep it busy");
    await page.evaluate((name) => {
      window.seen = { errors: 0, views: 0, offsets: [] };
      window.source = new EventSource(`/events?channel=${encodeURIComponent(name)}`);
      window.source.onerror = () => window.seen.errors++;
      window.source.addEventListener("view", () => window.seen.views++);
      window.source.onmessage = ({ data }) => window.seen.offsets.push(JSON.parse(data).offset);
    }, channel);
    const seen = () => page.evaluate(() => ({ ...window.seen, state: window.source.readyState }));
    await until(async () => (await seen()).errors > 0, "an answer that is temporary");
    assert.notEqual((await seen()).state, 2, "it has given up");
    await until(async () => (await seen()).views > 0, "the view, once there is one");
    const last = await ask("say something");
    await until(async () => (await seen()).offsets.includes(last), "what was said");
    await ask("restart the server");
    const next = await ask("say something");
    await until(async () => (await seen()).offsets.includes(next), "what was said after the restart");
    const { state, views, offsets } = await seen();
    assert.deepEqual([state, views], [1, 1], "it went on from its position");
    assert.deepEqual(offsets, [...new Set(offsets)].sort((a, b) => a - b), "each once, in order");
    forgive(); // a browser logs the connections that a restart breaks
  },

  /** Those of the documents: see tests/e2e/browser/pictures.py, which has said what is there to be read. */
  async pictures({ url, room, folder }) {
    for (const [name, colorScheme] of [["chat", "light"], ["chat-dark", "dark"]]) {
      const ann = await open(url, room, "ann", { colorScheme });
      const ben = await open(url, room, "ben");
      await open(url, room, "cleo");
      await until(async () => (await members(ann).count()) === 3, "all three");
      await until(async () => (await badges(ann, "lobby")) === "@ 3", "what is unread");
      await box(ann).focus();
      await box(ben).pressSequentially("And");
      await ann.locator("#typing.shown", { hasText: "ben is typing" }).waitFor();
      await ann.screenshot({ path: `${folder}/${name}.png` });
    }
  },

  async docs_are_readable({ url }) {
    const page = await open(url, "room:any", "ann");
    await page.goto(`${url}/docs`);
    await page.getByText("/api/room/").first().waitFor();
  },
};

await serveScenarios(scenarios);
