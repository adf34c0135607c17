// BullMQ's side of the question `jobs`: one process adds and works, against the Redis that argv names. Prints one JSON object.
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Queue, Worker } from "bullmq";

const params = JSON.parse(process.argv[2]);
const connection = { path: params.socket, maxRetriesPerRequest: null };
const queue = new Queue("bench", { connection });
const now = () => Number(process.hrtime.bigint());
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let done = 0;
let waits = [];

const worker = new Worker(
  "bench",
  async (job) => {
    if (job.name === "waited") waits.push(now() - job.data.sent);
    return job.data.number;
  },
  { connection, concurrency: params.slots },
);
worker.on("completed", () => (done += 1));
await worker.waitUntilReady();

async function until(count) {
  while (done < count) await sleep(5);
}

async function lone() {
  for (let n = 0; n < params.lone; n += 1) {
    const begun = now();
    await queue.add("waited", { sent: now() });
    await sleep(Math.max(0, 1000 / params.lone_per_s - (now() - begun) / 1e6));
  }
  await until(params.lone);
  waits.sort((a, b) => a - b);
}

async function single() {
  const begun = now();
  let count = 0;
  while (now() - begun < params.seconds * 1e9) {
    await queue.add("nothing", { number: count });
    count += 1;
  }
  return (count / (now() - begun)) * 1e9;
}

async function parallel() {
  const begun = now();
  const until = begun + params.seconds * 1e9;
  let count = 0;
  const one = async () => {
    while (now() < until) {
      await queue.add("nothing", { number: count });
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: params.in_flight }, one));
  return (count / (now() - begun)) * 1e9;
}

async function bulk() {
  const begun = now();
  const many = Array.from({ length: 1000 }, (_, number) => ({ name: "nothing", data: { number } }));
  let left = params.jobs / 1000;
  const one = async () => {
    while (left > 0) {
      left -= 1;
      await queue.addBulk(many);
    }
  };
  await Promise.all(Array.from({ length: params.bulks }, one));
  return (params.jobs / (now() - begun)) * 1e9;
}

await lone();
await queue.pause();
const add_single_per_s = await single();
const add_parallel_per_s = await parallel();
await queue.resume();
while ((await queue.getJobCountByTypes("waiting", "active", "prioritized")) > 0) await sleep(50);
await queue.pause();
const add_bulk_per_s = await bulk();
const before = done;
const begun = now();
await queue.resume();
await until(before + params.jobs);
const processed_per_s = (params.jobs / (now() - begun)) * 1e9;
const at = (share) => waits[Math.min(waits.length - 1, Math.floor(waits.length * share))] / 1e6;
console.log(
  JSON.stringify({
    processed_per_s,
    add_single_per_s,
    add_parallel_per_s,
    add_bulk_per_s,
    pickup_p50_ms: at(0.5),
    pickup_p99_ms: at(0.99),
  }),
);
await worker.close();
await queue.close();
process.exit(0);
