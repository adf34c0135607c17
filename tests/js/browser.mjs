// Windows of one Chromium, for scenarios; whatever its console complains of fails the scenario.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { serve } from "./scenarios.mjs";

const ARGUMENTS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const PROGRAM = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"].find(existsSync); // as tests/e2e/conftest.py has them
const PATIENCE_MS = 20_000;

let browser = null;
const contexts = [];
let complaints = [];

/** A window of somebody's own: other storage, other cookies. */
export async function openWindow(address, user, options = {}) {
  browser ??= await chromium.launch({ executablePath: PROGRAM, headless: true, args: ARGUMENTS });
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce", ...options });
  contexts.push(context);
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && complaints.push(`${user}: ${message.text()}`));
  page.on("pageerror", (error) => complaints.push(`${user}: ${error.stack}`));
  await page.goto(address);
  return page;
}

/** Complaints so far that hold `text` were to be expected; without it, all. */
export function forgive(text = "") {
  complaints = complaints.filter((one) => !one.includes(text));
}

/** Run scenarios by name, each with windows of its own. */
export async function serveScenarios(scenarios) {
  const tidy = Object.fromEntries(
    Object.entries(scenarios).map(([name, scenario]) => [
      name,
      async (given) => {
        complaints = [];
        try {
          await scenario(given);
          assert.deepEqual(complaints, [], "errors in the browser's console");
        } finally {
          for (const context of contexts.splice(0)) await context.close();
        }
      },
    ]),
  );
  await serve(tidy, () => browser?.close());
}
