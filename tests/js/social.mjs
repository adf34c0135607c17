// The page of people and posts in Chromium, as its users meet it. Run by tests/e2e/browser/test_social.py.

import assert from "node:assert/strict";
import { openWindow, serveScenarios } from "./browser.mjs";
import { ask, until } from "./scenarios.mjs";

/** A window of somebody's own. */
const open = (url, user, { at = "#/", ...options } = {}) => openWindow(`${url}/social${user ? `?${new URLSearchParams({ user })}` : ""}${at}`, user, options);

const go = (page, at) => page.evaluate((hash) => (location.hash = hash), at);
const posts = (page) => page.locator("article[data-post]");
const post = (page, text) => posts(page).filter({ hasText: text });
const writes = async (page, text) => {
  await page.getByRole("textbox", { name: "Text" }).fill(text);
  await page.getByRole("button", { name: "Post", exact: true }).click();
  await post(page, text).first().waitFor();
};

const badge = (page) => page.locator("#unread");
const followed = (page) => page.getByRole("button", { name: "Following", exact: true });

/** Every control says what it is, to who can't see it; and nothing is wider than the screen. */
async function isFit(page, width) {
  const nameless = await page.evaluate(() =>
    [...document.querySelectorAll("button, a[href], input, textarea, select, [role=feed], dialog[open], img")]
      .filter((node) => node.checkVisibility())
      .filter((node) => {
        const named = node.getAttribute("aria-label") || document.getElementById(node.getAttribute("aria-labelledby") ?? "")?.textContent || node.labels?.[0]?.textContent;
        return !(named || (node.tagName === "IMG" ? node.hasAttribute("alt") : node.innerText?.trim() || node.textContent.trim()));
      })
      .map((node) => node.outerHTML.slice(0, 200)),
  );
  assert.deepEqual(nameless, [], "controls without a name");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= width, `${wide} pixels wide`);
}

const scenarios = {
  async a_name_is_asked_for_and_kept({ url }) {
    const page = await open(url, null);
    await page.getByLabel("Name", { exact: true }).fill("dora");
    await page.getByRole("button", { name: "Enter" }).click();
    await writes(page, "<b>my</b> first post #début");
    await page.reload();
    await post(page, "<b>my</b> first post #début").waitFor();
    assert.equal(await page.locator("#me-name").innerText(), "dora");
    assert.equal(await page.locator("article b").filter({ hasText: "my" }).count(), 0, "what somebody writes is text");
    await page.getByRole("link", { name: "#début" }).click();
    await page.getByRole("heading", { name: "#début" }).waitFor();
    await post(page, "first post").getByRole("button", { name: "More" }).click();
    await page.getByRole("button", { name: "Edit" }).click();
    await page.locator(".editor textarea").fill("my second thought");
    await page.getByRole("button", { name: "Save" }).click();
    await post(page, "my second thought").getByText("edited").waitFor();
    await post(page, "second thought").getByRole("button", { name: "More" }).click();
    await page.getByRole("button", { name: "Delete" }).click();
    await page.locator("#confirm").getByRole("button", { name: "Delete" }).click();
    await page.getByText("This post is gone.").waitFor();
    await page.getByRole("button", { name: "Signed in as dora" }).click();
    await page.getByLabel("Name", { exact: true }).fill("dan");
    await page.getByRole("button", { name: "Enter" }).click();
    await until(async () => (await page.locator("#me-name").innerText()) === "dan", "somebody else");
    await go(page, "#/");
    await writes(page, "I am not dora");
  },

  async who_is_private_is_asked({ url, users: [author, reader] }) {
    const one = await open(url, author, { at: `#/u/${author}` });
    await one.getByRole("button", { name: "Edit profile" }).click();
    await one.getByLabel("Name", { exact: true }).and(one.locator("#profile-name")).fill("Hidden Stage");
    await one.getByRole("checkbox", { name: "Ask me before anybody follows" }).check();
    await one.getByRole("button", { name: "Save" }).click();
    await one.getByRole("heading", { name: "Hidden Stage" }).waitFor();
    const two = await open(url, reader, { at: `#/u/${author}` });
    await two.getByRole("button", { name: "Follow", exact: true }).click();
    await two.getByRole("button", { name: "Requested" }).waitFor();
    await one.getByRole("link", { name: "Notices" }).click();
    await one.getByRole("button", { name: "Accept" }).click();
    await followed(two).waitFor();
    await badge(one).waitFor({ state: "hidden" });
  },

  /** ann follows bob, who posts a picture; she hears of it, likes it, says something; he is told; cee is blocked. */
  async three_people({ url, picture }) {
    const ann = await open(url, "ann");
    const bob = await open(url, "bob");
    const cee = await open(url, "cee", { at: "#/u/bob" });
    await go(ann, "#/u/bob");
    await ann.getByRole("button", { name: "Follow", exact: true }).click();
    await followed(ann).waitFor();
    await go(cee, "#/");
    await go(cee, "#/u/bob");
    await cee.getByRole("button", { name: "Follow", exact: true }).click();
    await followed(cee).waitFor();
    await bob.getByRole("link", { name: "Notices" }).click();
    await bob.getByText("ann now follow you").or(bob.getByText("cee and ann now follow you")).waitFor();
    await go(bob, "#/u/cee");
    await bob.getByRole("button", { name: "Block" }).click();
    await bob.locator("#confirm").getByRole("button", { name: "Block" }).click();
    await bob.getByRole("button", { name: "Unblock" }).waitFor();

    await go(ann, "#/");
    await go(cee, "#/");
    await go(bob, "#/");
    await bob.locator("#post-pictures").setInputFiles(picture);
    await bob.getByRole("textbox", { name: "Text" }).fill("A light roast from Huila #coffee");
    await until(() => bob.getByRole("button", { name: "Post", exact: true }).isEnabled(), "the picture to be ready");
    await bob.getByRole("button", { name: "Post", exact: true }).click();

    await post(ann, "Huila").waitFor();
    const shown = post(ann, "Huila").getByRole("img", { name: "Picture by bob" });
    await until(() => shown.evaluate((image) => image.complete && image.naturalWidth > 0), "ann to see the picture");
    await post(ann, "Huila").getByRole("button", { name: /^Like/ }).click();
    assert.equal(await post(ann, "Huila").getByRole("button", { name: "Like, 1 reaction", pressed: true }).count(), 1, "at once");
    await post(bob, "Huila").getByRole("button", { name: "Like, 1 reaction" }).waitFor();
    await post(ann, "Huila").getByRole("button", { name: /^Comments/ }).click();
    await post(ann, "Huila").getByRole("textbox", { name: "Comment" }).fill("Washed or natural?");
    await ann.keyboard.press("Enter");
    await post(ann, "Huila").getByText("Washed or natural?").waitFor();
    await post(bob, "Huila").getByRole("button", { name: "Comments, 1" }).click();
    await post(bob, "Huila").getByText("Washed or natural?").waitFor();
    await post(bob, "Huila").getByRole("button", { name: "Reply to ann" }).click();
    await bob.keyboard.type("Washed.");
    await bob.keyboard.press("Enter");
    await post(ann, "Huila").locator(".reply").getByText("Washed.").waitFor();

    await bob.getByRole("link", { name: "Notices" }).click();
    await bob.getByText("ann reacted to your post").waitFor();
    await bob.getByText("ann commented on your post").waitFor();
    await bob.getByRole("button", { name: "Mark all as read" }).click();
    await badge(bob).waitFor({ state: "hidden" });
    await bob.getByText("ann commented on your post").click();
    await bob.getByRole("heading", { name: "Post" }).waitFor();
    await bob.getByText("Washed or natural?").waitFor();
    await until(async () => (await badge(ann).innerText()).startsWith("1"), "ann to be told of the reply");

    await go(cee, "#/search/Huila");
    await cee.getByText("No posts found.").waitFor();
    await go(cee, "#/u/bob");
    await cee.getByText("Nothing to see here.").waitFor();
    await go(cee, new URL(bob.url()).hash);
    await cee.getByRole("alert").getByText("That post is gone, or not for you.").waitFor();
    assert.equal(await posts(cee).count(), 0);
  },

  async a_story_is_seen({ url, users: [author, reader] }) {
    const one = await open(url, author);
    const two = await open(url, reader);
    await two.getByText("Nothing here yet").waitFor();
    await one.getByRole("textbox", { name: "Text" }).fill("Curtain in five minutes");
    await one.getByRole("checkbox", { name: "Story" }).check();
    await one.getByRole("button", { name: "Post", exact: true }).click();
    await one.getByRole("button", { name: "Your stories" }).waitFor();
    await two.getByRole("button", { name: `Stories by ${author}, 1 new` }).waitFor();
    await two.getByRole("button", { name: `Stories by ${author}, 1 new` }).click();
    const viewer = two.getByRole("dialog", { name: "Stories" });
    await viewer.getByText("Curtain in five minutes").waitFor();
    await viewer.getByRole("button", { name: "Like" }).click();
    await viewer.getByRole("button", { name: "Like", pressed: true }).waitFor();
    await two.keyboard.press("ArrowRight");
    await viewer.waitFor({ state: "hidden" });
    await two.getByRole("button", { name: `Stories by ${author}`, exact: true }).waitFor();
    await until(async () => {
      await two.reload();
      return two.getByRole("button", { name: `Stories by ${author}`, exact: true }).waitFor({ timeout: 2000 }).then(() => true, () => false);
    }, "the server to know that it was seen");
  },

  async people_posts_and_tags_are_found({ url, author }) {
    const page = await open(url, "ann");
    await page.keyboard.press("/");
    const field = page.getByRole("searchbox", { name: "Search people, posts and tags" });
    const found = async (words, what) => {
      await until(async () => {
        await field.fill("");
        await field.fill(words);
        return what().first().waitFor({ timeout: 2000 }).then(() => true, () => false);
      }, `${words} to be found`);
    };
    await found("Quetzal", () => page.getByRole("link", { name: /Quetzal/ }));
    await found("marimba", () => post(page, "marimba"));
    await found("#percussion", () => post(page, "marimba"));
    await until(() => page.url().endsWith("#/search/%23percussion"), "the tag in the address");
    await page.goBack();
    await page.goForward();
    await post(page, "marimba").waitFor();
    await post(page, "marimba").getByRole("button", { name: "Share, 0 shares" }).click();
    await page.locator("#confirm").getByRole("button", { name: "Share" }).click();
    await post(page, "marimba").getByRole("button", { name: "Share, 1 share" }).waitFor();
    await post(page, "marimba").getByRole("button", { name: "About Quetzal" }).click();
    const sheet = page.getByRole("dialog", { name: "Quetzal" });
    await sheet.getByRole("button", { name: "Mute" }).click();
    await sheet.getByRole("button", { name: "Muted", pressed: true }).click();
    await sheet.getByRole("button", { name: "Mute", pressed: false }).waitFor();
    await sheet.getByRole("link", { name: "See posts" }).click();
    await page.getByRole("heading", { name: "Quetzal" }).waitFor();
    assert.match(page.url(), new RegExp(`#/u/${author}$`));
  },

  /** A phone in the dark, with a long wall: pages by cursor, what is new, what was seen, and the keyboard. */
  async a_long_feed_is_read({ url, reader, count }) {
    const phone = { viewport: { width: 375, height: 667 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2, colorScheme: "dark" };
    const sent = [];
    const page = await open(url, null, phone);
    page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => sent.push(String(payload))));
    await page.goto(`${url}/social?user=${reader}`);
    await page.getByRole("button", { name: "Newest" }).tap();
    await until(async () => {
      await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
      return (await posts(page).count()) === count;
    }, "all posts, by scrolling");
    const texts = await posts(page).locator(".text").allInnerTexts();
    assert.deepEqual(texts, Array.from({ length: count }, (_, at) => `number ${count - 1 - at}`), "each once, the newest first");
    await until(() => sent.some((frame) => frame.includes("/seen") && frame.includes('"did":"seen"')), "what was seen to be told");
    await ask("post another");
    const news = page.getByRole("button", { name: "1 new post" });
    await news.waitFor();
    assert.equal(await post(page, "another").count(), 0, "nothing moves under the reader's thumb");
    await isFit(page, 375);
    const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.match(dark, /rgb\(\d\d?, /, dark);
    await news.tap();
    await post(page, "another").waitFor();
    assert.equal(await page.evaluate(() => scrollY), 0);
    await ask("post another");
    await until(async () => (await post(page, "another").count()) === 2, "what is new on top, by itself, where nobody has scrolled");
    await page.keyboard.press("j");
    await page.keyboard.press("l");
    await page.locator("article:focus").getByRole("button", { name: /^Like/, pressed: true }).waitFor();
    await page.keyboard.press("c");
    await page.locator("textarea:focus").waitFor();
    await isFit(page, 375);
    await page.locator("article").nth(1).getByRole("button", { name: "About Longwall" }).tap();
    await page.getByRole("dialog", { name: "Longwall" }).getByRole("button", { name: "Block" }).waitFor();
    await isFit(page, 375);
  },
};

await serveScenarios(scenarios);
