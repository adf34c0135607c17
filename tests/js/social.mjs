// The page of people and posts in Chromium, as its users meet it. Run by tests/e2e/browser/test_social.py.

import assert from "node:assert/strict";
import { forgive, openWindow, serveScenarios } from "./browser.mjs";
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

const scenarios = {
  async a_name_is_asked_for_and_kept({ url }) {
    const page = await open(url, null);
    await page.getByLabel("Name", { exact: true }).fill("dora");
    await page.getByRole("button", { name: "Enter" }).click();
    await writes(page, "my first post");
    await page.reload();
    await post(page, "my first post").waitFor();
    assert.equal(await page.locator("#me-name").innerText(), "dora");
  },
};

await serveScenarios(scenarios);
