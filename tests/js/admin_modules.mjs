// The modules of the admin page that only decide and show, in Node, over as much of a document as they need.

import assert from "node:assert/strict";

class Element {
  constructor(tag) {
    this.tag = tag;
    this.attributes = {};
    this.children = [];
  }

  setAttribute(name, value) {
    this.attributes[name] = value;
  }

  append(...children) {
    this.children.push(...children);
  }

  get text() {
    return this.children.map((child) => (child instanceof Element ? child.text : String(child))).join("");
  }

  all(tag) {
    return this.children.filter((child) => child instanceof Element).flatMap((child) => [...(child.tag === tag ? [child] : []), ...child.all(tag)]);
  }
}

globalThis.document = { createElement: (tag) => new Element(tag) };
const { edited, job, limited, listQuery, ordinal, queue, queues, saga } = await import("../../transports/pages/static/admin_jobs.js");

const page = (nodes) => nodes.reduce((whole, node) => (whole.append(node), whole), new Element("main"));
const buttons = (nodes) => page(nodes).all("button").map((button) => button.text);
const JOB = {
  id: "0".repeat(32), queue: "media", job: "job.cut", state: "delayed", can: ["retry", "edit", "cancel"], trouble: "", attempt: 0, attempts: 1, attempts_max: 3,
  lost: 0, priority: 4, added_ms: 1, due_ms: 60_000, started_ms: null, ended_ms: null, worker: "", share: null, errors: [], why: "delayed until then", arguments: { film: "<b>a</b>" },
};

const tests = {
  "what is written into the form is taken where it is another": () => {
    const editing = { shown: { film: "a", token: "[redacted]" }, priority: 4 };
    const text = JSON.stringify(editing.shown, null, 2);
    assert.deepEqual(edited({ arguments: text, priority: "4", delay_s: "" }, editing), {});
    assert.deepEqual(edited({ arguments: '{"film":"b"}', priority: "0", delay_s: "1.5" }, editing), { arguments: { film: "b" }, shown: editing.shown, priority: 0, delay_s: 1.5 });
    for (const wrong of ["[1]", "3", "null", "{"]) assert.throws(() => edited({ arguments: wrong, priority: "", delay_s: "" }, editing), /JSON/);
    assert.deepEqual(edited({ priority: "", delay_s: "" }, editing), {}, "what is too long to be shown is not in the form");
  },

  "only limits that were changed are set, and one that is emptied is none": () => {
    const shown = { concurrency: 4, per_key: null, rate: { n: 30, per_s: 1 } };
    const same = { concurrency: "4", per_key: "", rate: "30", per_s: "1" };
    assert.deepEqual(limited(same, shown), {}, "what the code declares is not made staff's");
    assert.deepEqual(limited({ ...same, per_key: "2" }, shown), { per_key: 2 });
    assert.deepEqual(limited({ ...same, concurrency: "" }, shown), { concurrency: null });
    assert.deepEqual(limited({ ...same, per_s: "5" }, shown), { rate: { n: 30, per_s: 5 } });
    assert.deepEqual(limited({ ...same, rate: "" }, shown), { rate: null });
    assert.deepEqual(limited({ concurrency: "", per_key: "", rate: "", per_s: "1" }, {}), {});
    assert.deepEqual(limited({ concurrency: "", per_key: "", rate: "7", per_s: "" }, {}), { rate: { n: 7, per_s: 1 } });
  },

  "filters that say nothing are not asked for": () => {
    assert.equal(listQuery("a b", { state: "failed", kind: "", search: "x&y" }, undefined, 50), "queue=a+b&state=failed&search=x%26y&limit=50");
    assert.equal(listQuery("q", {}, "c", 5), "queue=q&limit=5&after=c");
  },

  "numbers are said as people do": () => assert.deepEqual([1, 2, 3, 4, 11, 12, 13, 21, 102, 111].map(ordinal), ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th"]),

  "a queue without a worker says so": () => {
    const one = { queue: "media", awake: true, in_code: true, waiting: 3, delayed: 0, retrying: 0, active: 0, oldest_s: 7, workers: 0, paused: false, limited: true, rates: null };
    const shown = { nodes: 2, answered: 1, queues: [one, { queue: "mail", awake: false, in_code: false, rates: null }] };
    const text = page(queues(shown)).text;
    for (const part of ["no worker", "limited", "nothing to do", "no class here", "1 of 2"]) assert.ok(text.includes(part), part);
  },

  "an admin is shown what can be done, and a viewer nothing of it": () => {
    assert.deepEqual(buttons(job(JOB, { isAdmin: true, now: 0, editing: null })), ["Run now", "Edit", "Cancel"]);
    assert.deepEqual(buttons(job({ ...JOB, state: "failed", can: ["retry", "drop"] }, { isAdmin: true, now: 0, editing: null })), ["Retry", "Forget"]);
    assert.deepEqual(buttons(job(JOB, { isAdmin: false, now: 0, editing: null })), []);
    const set = { queue: "media", waiting: 0, delayed: 0, retrying: 0, active: 0, working: 1, paused: true, paused_reason: "lunch", limits: {}, classes: [], rates: null, can: ["resume", "limit"] };
    const about = { now: 0, list: null, asked: {}, limiting: false };
    assert.deepEqual(buttons(queue(set, { ...about, isAdmin: true })), ["Resume", "Limit", "Filter"]);
    assert.deepEqual(buttons(queue(set, { ...about, isAdmin: false })), ["Filter"]);
  },

  "what people wrote is text, and an error of which one may see nothing says for whom it is": () => {
    const shown = page(job({ ...JOB, errors: [{ at_ms: 1, attempt: 1, worker: "w" }] }, { isAdmin: true, now: 0, editing: null }));
    assert.ok(shown.text.includes("<b>a</b>") && shown.text.includes("(for admins)"));
    assert.equal(shown.all("b").length, 0);
  },

  "a saga says what it waits for, and steps by jobs lead to these": () => {
    const view = { status: "running", steps: [{ name: "cut", entity: `job:${"1".repeat(32)}`, status: "running", attempts: 2 }, { name: "ship", status: "waiting" }], waits_for: [{ step: "cut", for: "hall:a", until: "2026-01-01T00:00:00.000Z" }], log: ["one"] };
    const shown = page(saga({ entity: "trip:a", can: ["cancel"], view }, { isAdmin: true }));
    assert.ok(shown.text.includes("2026-01-01 00:00:00 UTC"));
    const links = shown.all("a").map((link) => link.attributes.href);
    assert.ok(links.includes(`#/job/${"1".repeat(32)}`) && links.includes("#/entity/hall%3Aa"));
  },
};

for (const [name, test] of Object.entries(tests)) {
  try {
    test();
  } catch (error) {
    console.error(`${name}: ${error.stack}`);
    process.exitCode = 1;
  }
}
console.log(`${Object.keys(tests).length} tested`);
