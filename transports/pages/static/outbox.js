// What was written and is not yet known to be in the room. One message at a time, so that they arrive in the order
// they were written; each under an idempotency key, so that a repeat after a lost answer is not a second message.

import { ProtocolError } from "./greenroom.js";

const ATTEMPTS_MAX = 6; // of answers that say "try again"; a lost connection is waited out however long

export class Outbox {
  items = []; // {id, text, replyTo, atMs, state: "pending" | "failed", error}
  #send;
  #changed;
  #running = false;
  #stopped = false;

  #kept;

  /**
   * `send(item)` resolves with the command's reply; `changed(item, reply)` is called after every change. `kept` has
   * `load()` and `save(text)` of a place that outlives a reload: what was written before it is sent after it.
   */
  constructor(send, changed, kept = null) {
    this.#send = send;
    this.#kept = kept;
    this.#changed = (...what) => {
      this.#keep();
      changed(...what);
    };
    try {
      const items = JSON.parse(kept?.load() || "[]");
      if (Array.isArray(items)) this.items = items.map((item) => ({ ...item, state: "pending", error: "", attempts: 0 }));
    } catch {
      this.items = []; // not ours
    }
  }

  #keep() {
    this.#kept?.save(this.items.length ? JSON.stringify(this.items.map(({ id, text, replyTo, atMs }) => ({ id, text, replyTo, atMs }))) : "");
  }

  add(text, replyTo) {
    this.items.push({ id: uniqueId(), text, replyTo, atMs: Date.now(), state: "pending", error: "", attempts: 0 });
    this.#changed();
    this.run();
  }

  retry(item) {
    Object.assign(item, { state: "pending", error: "", attempts: 0 });
    this.#changed();
    this.run();
  }

  discard(item) {
    this.items = this.items.filter((known) => known !== item);
    this.#changed();
  }

  /** Its publication arrived: whatever the answer will be, it is in the room. */
  confirm(id) {
    this.items = this.items.filter((known) => known.id !== id);
    this.#keep();
  }

  stop() {
    this.#stopped = true;
  }

  /** Call again whenever the connection is back. */
  async run() {
    if (this.#running) return;
    this.#running = true;
    try {
      for (let item; !this.#stopped && (item = this.items.find((known) => known.state === "pending")); ) {
        if (!(await this.#try(item))) return; // no connection: run() comes again with it
      }
    } finally {
      this.#running = false;
    }
  }

  async #try(item) {
    try {
      const reply = await this.#send(item);
      this.confirm(item.id);
      this.#changed(item, reply);
      return true;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (!this.items.includes(item)) return true; // its publication was faster than the trouble
      if (error.code < 100) return false; // unknown outcome: the same key again, once connected
      if (error.temporary && ++item.attempts < ATTEMPTS_MAX) {
        await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** item.attempts * (0.5 + Math.random() / 2)));
        return true;
      }
      Object.assign(item, { state: "failed", error });
      this.#changed();
      return true;
    }
  }
}

/** 128 random bits; crypto.randomUUID exists only on secure origins, and a phone on the same Wi-Fi isn't on one. */
export function uniqueId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
