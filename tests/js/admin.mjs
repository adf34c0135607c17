// The admin page in Chromium, as an admin and as a viewer meet it. Run by tests/e2e/browser/test_admin.py.

import assert from "node:assert/strict";
import { forgive, openWindow, serveScenarios } from "./browser.mjs";
import { ask, until } from "./scenarios.mjs";

const status = (page) => page.locator("#status");
const live = (page) => status(page).getByText("Live", { exact: true }).waitFor();
const section = (page, name) => page.getByRole("region", { name, exact: true });
const row = (page, table, text) => page.getByRole("table", { name: table }).getByRole("row").filter({ hasText: text });

async function byName(url, name, options) {
  const page = await openWindow(`${url}/admin`, name, options);
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByRole("button", { name: "Enter" }).click();
  return page;
}

async function byToken(url, token, options, hash = "") {
  const page = await openWindow(`${url}/admin${hash}`, "token", options);
  const other = page.getByRole("button", { name: "Use an access token instead" });
  if (await other.count()) await other.click();
  await page.getByLabel("Access token").fill(token);
  await page.getByRole("button", { name: "Enter" }).click();
  return page;
}

const scenarios = {
  async the_cluster_is_live({ url }) {
    const page = await byName(url, "ann");
    await live(page);
    assert.match(await page.locator("#me").innerText(), /ann\s+admin/);
    await page.getByRole("table", { name: "Nodes with load, lag and lease" }).getByText("up", { exact: true }).waitFor();
    const before = await page.locator(".figures").innerText();
    assert.match(before, /awake/);
    await ask("speak");
    await row(page, "Entities that are awake, by kind", "room").first().waitFor();
    await page.locator(".figures div").filter({ hasText: "commands/s" }).getByText(/^(?!0$|–)/).first().waitFor();
    await row(page, "Nodes with load, lag and lease", "127.0.0.1").locator('[data-label="Lag p99"]').getByText(/ms|µs/).waitFor();
    await page.getByRole("link", { name: "Shards" }).click();
    await row(page, "Moves of shards with cause and duration", "start").first().waitFor();
    await row(page, "Shards by their last change of owner", "start").first().waitFor();
    assert.equal(await page.getByRole("link", { name: "Shards" }).getAttribute("aria-current"), "page");
  },

  async an_entity_is_explained({ url, entity, text }) {
    const page = await byName(url, "ann");
    await page.getByRole("textbox", { name: "Entity" }).fill(entity);
    await page.getByRole("button", { name: "Show" }).click();
    await page.getByRole("heading", { name: entity }).waitFor();
    await live(page);
    await section(page, "Where it is, and why").getByText("alone when it started").waitFor();
    await section(page, "In memory").getByText("yes").waitFor();
    await section(page, "State").getByRole("button", { name: "Read" }).click();
    await page.getByLabel("State", { exact: true }).last().getByText(text, { exact: false }).waitFor();
    await section(page, "Journal").getByRole("button", { name: "Read" }).click();
    const events = section(page, "Journal").locator("li");
    await until(async () => (await events.count()) === 20, "the newest events");
    const newest = await events.first().innerText();
    await section(page, "Journal").getByRole("button", { name: "Older" }).click();
    await until(async () => (await events.first().innerText()) !== newest, "older ones");
    assert.equal(await page.locator("main b").filter({ hasText: "bold" }).count(), 0, "what people wrote is no markup");
    const watching = await ask("watch");
    assert.ok(watching);
    await row(page, "Connections that watch it, by node", "1").first().waitFor();
    await page.getByRole("textbox", { name: "Entity" }).fill("nonsense");
    await page.getByRole("button", { name: "Show" }).click();
    await status(page).getByText("not kind:key").waitFor();
    forgive("400");
  },

  async an_admin_retries_a_dead_letter({ url, token, entity }) {
    const page = await byToken(url, token, {}, "#/letters");
    const letter = row(page, "Dead letters, the newest first", entity).first();
    await letter.getByText("told to raise", { exact: false }).first().waitFor();
    await letter.getByRole("button", { name: "Retry" }).click();
    await status(page).getByText("will be handled once more").waitFor();
    await letter.getByText("to be retried").waitFor();
    await ask("wait until it was retried");
    assert.ok(!page.url().includes("ey"), "no token in the address");
  },

  async an_admin_drops_a_dead_letter({ url, token, entity }) {
    const page = await byToken(url, token, {}, "#/letters");
    const letter = row(page, "Dead letters, the newest first", entity).first();
    const dialog = page.getByRole("dialog", { name: "Drop this dead letter?" });
    await letter.getByRole("button", { name: "Drop" }).click();
    await dialog.getByText(`faulty.raise to ${entity}`).waitFor();
    await dialog.getByRole("button", { name: "Keep it" }).click();
    await dialog.waitFor({ state: "hidden" });
    await letter.getByRole("button", { name: "Drop" }).click();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    assert.ok(await ask("is it there"), "nothing is dropped that was not meant");
    await page.goto(`${url}/admin#/entity/${encodeURIComponent(entity)}`);
    await live(page);
    await section(page, "Dead letters").getByRole("button", { name: "Drop" }).click();
    await dialog.getByRole("button", { name: "Drop it" }).click();
    await status(page).getByText("is dropped").waitFor();
    assert.ok(!(await ask("is it there")));
    await section(page, "Dead letters").getByText("None.").waitFor();
  },

  async an_admin_pauses_rebuilds_and_drops({ url, token }) {
    const page = await byToken(url, token, {}, "#/views");
    const shows = section(page, "shows");
    const dialog = page.getByRole("dialog");
    const meant = async (button, title, yes) => {
      await shows.getByRole("button", { name: `${button} shows` }).click();
      await page.getByRole("dialog", { name: title }).getByText("shows:").waitFor();
      await dialog.getByRole("button", { name: yes, exact: true }).click();
    };
    await row(page, "Tables of shows", "live").getByText("nothing").waitFor();
    await shows.getByRole("button", { name: "Pause shows" }).click();
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await dialog.waitFor({ state: "hidden" });
    assert.equal(await ask("is it paused"), false, "nothing is done that was not meant");
    await meant("Pause", "Pause it?", "Pause it");
    await status(page).getByText("shows is paused.").waitFor();
    await shows.getByText("paused", { exact: true }).waitFor();
    await ask("clap");
    await row(page, "Tables of shows", "live").getByText("1 entity, 1 event").waitFor();
    await meant("Resume", "Go on with it?", "Resume it");
    await row(page, "Tables of shows", "live").getByText("nothing").waitFor();
    await meant("Rebuild", "Fill another table?", "Rebuild it");
    await status(page).getByText("is being filled").waitFor();
    await row(page, "Tables of shows", "1 (2)").getByText("live").waitFor();
    const old = shows.locator("tbody").getByText("old", { exact: true });
    await old.waitFor();
    await meant("Drop old", "Drop its old tables?", "Drop them");
    await status(page).getByText("1 dropped.").waitFor();
    await old.waitFor({ state: "detached" });
    assert.equal(await shows.getByRole("button", { name: "Drop old shows" }).count(), 0, "there is nothing to drop");
  },

  async an_admin_retries_what_is_parked({ url, token, entity }) {
    const page = await byToken(url, token, {}, "#/views");
    const standings = section(page, "standings");
    await standings.getByRole("button", { name: "Show what is parked in standings 1" }).first().click();
    const parked = row(page, "Parked in standings", entity).first();
    await parked.getByText("poison", { exact: false }).first().click();
    await parked.getByLabel(`Traceback of ${entity}`).getByText("in fold", { exact: false }).waitFor();
    await standings.getByRole("button", { name: `Retry ${entity}` }).click();
    const dialog = page.getByRole("dialog", { name: "Try again?" });
    await dialog.getByText(entity).waitFor();
    await dialog.getByRole("button", { name: "Try again" }).click();
    await status(page).getByText("1 to be tried again").waitFor();
    await ask("wait until it is parked again");
    await parked.getByRole("link", { name: entity }).click();
    await page.getByRole("heading", { name: entity }).waitFor();
    await row(page, "How far views and sinks have come with it", "standings").getByText("poison", { exact: false }).waitFor();
    await row(page, "How far views and sinks have come with it", "shows").getByText("live").waitFor();
  },

  async a_viewer_sees_views_and_changes_none({ url, token, entity, secret }) {
    const page = await byToken(url, token, {}, "#/views");
    await section(page, "standings").getByRole("button", { name: "Show what is parked in standings 1" }).first().click();
    await row(page, "Parked in standings", entity).getByText("(for admins)").waitFor();
    assert.equal(await page.getByRole("button", { name: /Pause|Resume|Rebuild|Retry|Drop/ }).count(), 0);
    assert.ok(!(await page.content()).includes(secret));
    const answers = await page.evaluate(async (token) => {
      const steps = ["pause", "resume", "rebuild", "retry", "drop-old"];
      const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
      const posted = steps.map((step) => fetch(`admin/api/views/${step}`, { method: "POST", headers, body: '{"view":"standings"}' }));
      return Promise.all(posted.map(async (one) => (await one).status));
    }, token);
    assert.deepEqual(answers, [403, 403, 403, 403, 403], "whatever the page shows, the server keeps");
    await page.goto(`${url}/admin#/entity/${encodeURIComponent(entity)}`);
    await row(page, "How far views and sinks have come with it", "standings").getByText("(why: for admins)").waitFor();
    assert.ok(!(await section(page, "Views and sinks").innerText()).includes(secret));
    forgive("403");
  },

  async a_rebuild_shows_how_far_it_is({ url, token }) {
    const page = await byToken(url, token, {}, "#/views");
    await page.getByRole("button", { name: "Rebuild standings" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Rebuild it" }).click();
    const filling = row(page, "Tables of standings", "filling");
    await filling.getByRole("progressbar", { name: "folded" }).waitFor();
    await filling.getByText("100 %").waitFor();
    await filling.locator(".tag.bad").getByText("1", { exact: true }).waitFor(); // parked there too: so it is not live
  },

  async views_on_a_phone_in_the_dark({ url, token, entity }) {
    const phone = { viewport: { width: 375, height: 667 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2, colorScheme: "dark" };
    const page = await byToken(url, token, phone, "#/views");
    const show = page.getByRole("button", { name: "Show what is parked in standings 1" }).first();
    await show.waitFor();
    const tap = await show.boundingBox();
    assert.ok(tap.height >= 40, JSON.stringify(tap));
    await show.tap();
    await row(page, "Parked in standings", entity).getByText("poison", { exact: false }).first().click();
    await page.getByLabel(`Traceback of ${entity}`).waitFor();
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 375, `${width} pixels wide`);
    await page.getByRole("button", { name: "Pause standings" }).tap();
    const dialog = page.getByRole("dialog", { name: "Pause it?" });
    await dialog.waitFor();
    const ground = await dialog.evaluate((node) => getComputedStyle(node).backgroundColor.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0));
    assert.ok(ground < 200, `${ground}`);
    await dialog.getByRole("button", { name: "Cancel" }).tap();
    await dialog.waitFor({ state: "hidden" });
  },

  async views_by_keyboard({ url, token }) {
    const page = await byToken(url, token, {}, "#/views");
    await live(page);
    await page.locator("#main").focus();
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent);
    const tabTo = async (label) => {
      for (let presses = 0; presses < 40 && (await focused()) !== label; presses++) await page.keyboard.press("Tab");
      assert.equal(await focused(), label);
    };
    await tabTo("Pause shows");
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Pause it?" });
    await dialog.waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    assert.equal(await ask("is it paused"), false);
    assert.equal(await focused(), "Pause shows", "where one was");
    await page.keyboard.press("Enter");
    await tabTo("Pause it");
    await page.keyboard.press("Enter");
    await status(page).getByText("shows is paused.").waitFor();
    await page.getByRole("button", { name: "Resume shows" }).waitFor();
    await page.locator("#main").focus();
    await tabTo("Resume shows");
    await page.keyboard.press("Enter");
    await tabTo("Resume it");
    await page.keyboard.press("Enter");
    await status(page).getByText("shows goes on.").waitFor();
  },

  async a_queue_is_looked_at_and_steered({ url, token }) {
    const page = await byToken(url, token, {}, "#/jobs");
    const line = row(page, "Queues, with what waits in each", "studio");
    await line.getByText("open", { exact: true }).waitFor();
    await line.getByRole("link", { name: "studio" }).click();
    await page.getByRole("heading", { name: "studio", exact: true }).waitFor();
    await section(page, "How it is set").getByText("4 at once").waitFor();
    const dialog = page.getByRole("dialog");
    await page.getByRole("button", { name: "Pause" }).click();
    await dialog.getByText("nothing more is handed out").waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    assert.equal(await ask("is it paused"), false, "nothing is done that was not meant");
    await page.getByRole("button", { name: "Pause" }).click();
    await dialog.getByRole("button", { name: "Pause it" }).click();
    await status(page).getByText("studio is paused.").waitFor();
    await page.getByRole("button", { name: "Resume" }).click();
    await dialog.getByRole("button", { name: "Resume it" }).click();
    await section(page, "How it is set").getByText("open", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Limit", exact: true }).click();
    await page.getByLabel("At once", { exact: true }).fill("3");
    await page.getByLabel("Begin", { exact: true }).fill("50");
    await page.keyboard.press("Enter");
    await status(page).getByText("The limits are set.").waitFor();
    await section(page, "How it is set").getByText("3 at once; 50 in 1 s").waitFor();
    const jobs = page.getByRole("table", { name: "Jobs, the last added first" });
    await jobs.getByText("delayed", { exact: true }).waitFor();
    await page.getByLabel("State", { exact: true }).selectOption("failed");
    await page.getByLabel("Words").fill("sweeney");
    await page.keyboard.press("Enter");
    await jobs.getByText("delayed", { exact: true }).waitFor({ state: "detached" });
    await jobs.getByText("password=[redacted]", { exact: false }).waitFor();
    await jobs.getByRole("link").first().click();
    await section(page, "How it is").getByText("failed", { exact: true }).waitFor();
    assert.ok(!page.url().includes("sweeney"), "no words of people in the address");
  },

  async a_job_is_looked_at_and_steered({ url, token, failed, active, delayed }) {
    const page = await byToken(url, token, {}, `#/job/${active}`);
    const about = section(page, "How it is");
    await about.getByText("active", { exact: true }).waitFor();
    await about.getByText("25 % rough cut").waitFor();
    await section(page, "Log").getByText("<b>cutting</b> long").waitFor();
    assert.equal(await page.locator("main b").count(), 0, "what people wrote is no markup");
    const dialog = page.getByRole("dialog");
    await page.getByRole("button", { name: "Cancel", exact: true }).click();
    await dialog.getByRole("button", { name: "Cancel it" }).click();
    await about.getByText("cancelled", { exact: true }).waitFor();

    await page.goto(`${url}/admin#/job/${delayed}`);
    await about.getByText("delayed until", { exact: false }).waitFor();
    const given = section(page, "Arguments").getByLabel("Arguments");
    await given.getByText('"licence": "[redacted]"').waitFor();
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    const field = section(page, "Edit").getByLabel("Arguments");
    await field.fill((await field.inputValue()).replace("late", "later"));
    await page.waitForTimeout(1200); // the page is brought up to date meanwhile
    assert.match(await field.inputValue(), /later/, "what is being written stays");
    await page.getByRole("button", { name: "Save" }).click();
    await given.getByText('"film": "later"').waitFor();
    assert.deepEqual(await ask("what is stored"), { film: "later", licence: "L-2" });
    await page.getByRole("button", { name: "Run now" }).click();
    await dialog.getByRole("button", { name: "Try it" }).click();
    await about.getByText("completed", { exact: true }).waitFor();

    await page.goto(`${url}/admin#/job/${failed}`);
    const attempts = page.getByRole("table", { name: "Attempts that failed, the newest first" });
    await attempts.getByText("has no end", { exact: false }).first().click();
    await page.getByLabel("Traceback of attempt 2").getByText("studio.py", { exact: false }).waitFor();
    await page.getByRole("button", { name: "Forget" }).click();
    await dialog.getByRole("button", { name: "Forget it" }).click();
    await ask("wait until it is gone");
  },

  async a_viewer_sees_jobs_and_changes_none({ url, token, failed, saga, secret }) {
    const page = await byToken(url, token, {}, "#/queue/studio");
    await live(page);
    await page.getByRole("table", { name: "Jobs, the last added first" }).getByText("failed", { exact: true }).waitFor();
    assert.equal(await page.getByRole("button", { name: /Pause|Limit/ }).count(), 0);
    await page.goto(`${url}/admin#/job/${failed}`);
    await section(page, "Arguments and result").getByText("For admins").waitFor();
    assert.equal(await page.getByRole("button", { name: /Retry|Cancel|Edit|Forget/ }).count(), 0);
    assert.ok(!(await page.content()).includes(secret));
    await page.goto(`${url}/admin#/entity/${encodeURIComponent(saga)}`);
    await section(page, "Where it is, and why").getByRole("link", { name: "Its page" }).click();
    await row(page, "Steps, in the order of the plan", "party").getByText("refused").waitFor();
    await section(page, "Log").getByText("For admins.").waitFor();
    const answers = await page.evaluate(async ({ token, id }) => {
      const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
      const bodies = { "queues/pause": { queue: "studio" }, "queues/limit": { queue: "studio", limits: {} }, "jobs/retry": { id }, "jobs/cancel": { id }, "jobs/edit": { id }, "jobs/drop": { id } };
      const posted = Object.entries(bodies).map(([path, body]) => fetch(`admin/api/${path}`, { method: "POST", headers, body: JSON.stringify(body) }));
      const got = fetch("admin/api/jobs?queue=studio&search=sweeney", { headers });
      return Promise.all([...posted, got].map(async (one) => (await one).status));
    }, { token, id: failed });
    assert.deepEqual(answers, [403, 403, 403, 403, 403, 403, 403], "whatever the page shows, the server keeps");
    forgive("403");
  },

  async jobs_on_a_phone_in_the_dark({ url, token, failed, saga }) {
    const phone = { viewport: { width: 375, height: 667 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2, colorScheme: "dark" };
    const page = await byToken(url, token, phone, "#/jobs");
    for (const hash of ["#/jobs", "#/queue/studio", `#/job/${failed}`, `#/saga/${encodeURIComponent(saga)}`]) {
      await page.goto(`${url}/admin${hash}`);
      await page.locator("main table").first().waitFor();
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 375, `${hash}: ${width} pixels wide`);
    }
    await page.goto(`${url}/admin#/queue/studio`);
    for (const one of [page.getByRole("button", { name: "Pause" }), page.getByLabel("State", { exact: true })]) {
      const tap = await one.boundingBox();
      assert.ok(tap.height >= 40, JSON.stringify(tap));
    }
  },

  async a_viewer_sees_the_machinery_and_no_content({ url, token, entity, secret }) {
    const page = await byToken(url, token);
    await live(page);
    assert.match(await page.locator("#me").innerText(), /viewer, read only/);
    await page.goto(`${url}/admin#/entity/${encodeURIComponent(entity)}`);
    await section(page, "Where it is, and why").waitFor();
    await section(page, "State and journal").getByText("For admins").waitFor();
    assert.equal(await page.getByRole("button", { name: "Read", exact: true }).count(), 0);
    await page.getByRole("link", { name: "Dead letters", exact: true }).click();
    await row(page, "Dead letters, the newest first", entity).first().waitFor();
    assert.equal(await page.getByRole("button", { name: /Retry|Drop/ }).count(), 0);
    assert.ok(!(await page.content()).includes(secret));
    const answers = await page.evaluate(async ({ token, entity }) => {
      const headers = { Authorization: `Bearer ${token}` };
      const name = encodeURIComponent(entity);
      const got = ["state", "journal"].map((what) => fetch(`admin/api/${what}?name=${name}`, { headers }));
      const posted = ["retry", "drop"].map((what) => fetch(`admin/api/${what}`, {
        method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: '{"ids":[1]}',
      }));
      return Promise.all([...got, ...posted].map(async (one) => (await one).status));
    }, { token, entity });
    assert.deepEqual(answers, [403, 403, 403, 403], "whatever the page shows, the server keeps");
    forgive("403");
  },

  async others_are_turned_away({ url, token }) {
    const page = await byToken(url, token);
    await page.getByRole("alert").getByText("role admin or viewer").waitFor();
    assert.equal(await page.locator("main section").count(), 0);
    forgive("403");
  },

  async it_comes_back_after_a_restart({ url }) {
    const page = await byName(url, "ann");
    await live(page);
    await ask("stop the server");
    await status(page).getByText("Reconnecting").waitFor();
    await ask("start the server");
    await live(page);
    forgive();
  },

  async a_phone_in_the_dark_has_room_for_it({ url, entity }) {
    const phone = { viewport: { width: 375, height: 667 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2, colorScheme: "dark" };
    const page = await byName(url, "ann", phone);
    await live(page);
    for (const hash of ["#/", "#/shards", "#/views", "#/jobs", "#/letters", `#/entity/${encodeURIComponent(entity)}`]) {
      await page.goto(`${url}/admin${hash}`);
      await page.locator("main section").first().waitFor();
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 375, `${hash}: ${width} pixels wide`);
    }
    const [ground, ink] = await page.evaluate(() => {
      const style = getComputedStyle(document.body);
      return [style.backgroundColor, style.color].map((one) => one.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0));
    });
    assert.ok(ground < 150 && ink > 550, `${ground} ${ink}`);
    const tap = await page.getByRole("button", { name: "Read" }).first().boundingBox();
    assert.ok(tap.height >= 40, JSON.stringify(tap));
  },

  async the_keyboard_is_enough({ url, entity }) {
    const page = await openWindow(`${url}/admin`, "ann");
    await page.keyboard.type("ann");
    await page.keyboard.press("Enter");
    await live(page);
    const focused = () => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent?.trim());
    await page.evaluate(() => document.activeElement?.blur());
    const seen = [];
    for (let presses = 0; presses < 8; presses++) {
      await page.keyboard.press("Tab");
      seen.push(await focused());
    }
    assert.deepEqual(seen.slice(0, 6), ["Skip to the content", "Cluster", "Shards", "Views", "Jobs", "Dead letters"]);
    await page.locator("#find-name").focus();
    await page.keyboard.type(entity);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: entity }).waitFor();
    assert.equal(await focused(), "main", "what was asked for has the focus");
    await live(page);
    for (let presses = 0; presses < 12 && (await focused()) !== "Read"; presses++) await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await section(page, "State").getByText("As it is in memory").waitFor();
    assert.equal(await focused(), "Read again", "and keeps it while the page is brought up to date");
  },

  async pictures({ url, entity, folder }) {
    for (const [name, options] of [["light", {}], ["dark", { colorScheme: "dark" }], ["phone", { viewport: { width: 375, height: 667 }, colorScheme: "dark" }]]) {
      const page = await byName(url, "ann", options);
      await live(page);
      await page.waitForTimeout(2500);
      await page.screenshot({ path: `${folder}/cluster-${name}.png`, fullPage: true });
      await page.goto(`${url}/admin#/entity/${encodeURIComponent(entity)}`);
      await page.locator("main section").first().waitFor();
      await page.screenshot({ path: `${folder}/entity-${name}.png`, fullPage: true });
      await page.goto(`${url}/admin#/letters`);
      await page.locator("main section").first().waitFor();
      await page.screenshot({ path: `${folder}/letters-${name}.png`, fullPage: true });
    }
  },
};

await serveScenarios(scenarios);
