// Runs scenarios by name for the Python tests (tests/e2e/javascript.py is the other side): a line of JSON each way.

import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

/** Have the Python side do something, such as restart the server; what it answers. */
export async function ask(what) {
  say({ ask: what });
  return JSON.parse((await lines.next()).value).answer;
}

/** `scenarios` maps names to async functions; `last` runs when there are no more. */
export async function serve(scenarios, last = () => {}) {
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    const { run, arguments: given } = JSON.parse(line.value);
    try {
      say({ done: (await scenarios[run](given)) ?? null });
    } catch (error) {
      say({ failed: error.stack ?? JSON.stringify(error) }); // what the SDK rejects with has no stack
    }
  }
  await last();
}

/** Look again and again until `done()` is truthy, and give what it gave. */
export async function until(done, what, { withinMs = 15_000 } = {}) {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const found = await done();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited ${withinMs / 1000} s in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
