// What the admin page reads. With `fetch` alone: the token is in a header, never in an address.

import { backoffMs } from "./greenroom.js";

const QUIET_MS = 40_000; // the server says something each 15 s

export class Refused extends Error {
  constructor(status, name, message) {
    super(message);
    this.status = status;
    this.code = name;
  }
}

/** Headers that say who is looking. */
export const signed = ({ token, name }) => (token ? { Authorization: `Bearer ${token}` } : { "X-Greenroom-User": encodeName(name) });

// A header holds bytes: UTF-8, each as the character of its number, is what the server decodes.
const encodeName = (name) => String.fromCharCode(...new TextEncoder().encode(name));

/** JSON, or throws Refused. */
export async function read(who, path, { body } = {}) {
  const response = await fetch(new URL(path, document.baseURI), {
    method: body === undefined ? "GET" : "POST",
    headers: { ...signed(who), ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: "omit",
    cache: "no-store",
  });
  const found = await response.json().catch(() => null);
  if (response.ok) return found;
  throw new Refused(response.status, found?.error?.name ?? "", found?.error?.message ?? `the server answers ${response.status}`);
}

/** One stream, opened again when it breaks, while the page is visible. `on`: shown(data), trouble(text), refused(error), state(text). */
export class Live {
  #who;
  #path;
  #on;
  #stop = new AbortController();
  #attempt = 0;
  #wake = () => {};

  constructor(who, path, on) {
    this.#who = who;
    this.#path = path;
    this.#on = on;
    document.addEventListener("visibilitychange", () => this.#turn(), { signal: this.#stop.signal });
    this.#run();
  }

  close() {
    this.#stop.abort();
    this.#wake();
  }

  #reading = null;

  #turn() {
    if (document.hidden) this.#reading?.abort(); // nobody looks: the server need not either
    this.#wake();
  }

  async #run() {
    while (!this.#stop.signal.aborted) {
      if (!document.hidden) {
        try {
          await this.#read();
        } catch (error) {
          if (this.#stop.signal.aborted) return;
          if (error instanceof Refused && error.status < 500 && error.status !== 429) return this.#on.refused(error);
        }
        if (!document.hidden) this.#on.state("Reconnecting …");
      }
      if (this.#stop.signal.aborted) return;
      await this.#pause(document.hidden ? 0 : backoffMs(this.#attempt++));
    }
  }

  /** Until so many ms have passed (0: for ever), or something has happened. */
  #pause(ms) {
    return new Promise((resolve) => {
      const timer = ms ? setTimeout(resolve, ms) : 0;
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #read() {
    const reading = (this.#reading = new AbortController());
    const { signal } = reading;
    this.#stop.signal.addEventListener("abort", () => reading.abort(), { signal });
    let timer = 0;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => reading.abort(), QUIET_MS);
    };
    try {
      heard();
      const response = await fetch(new URL(this.#path, document.baseURI), {
        headers: signed(this.#who), credentials: "omit", cache: "no-store", signal,
      });
      if (!response.ok) {
        const found = await response.json().catch(() => null);
        throw new Refused(response.status, found?.error?.name ?? "", found?.error?.message ?? `the server answers ${response.status}`);
      }
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        heard();
        const events = (rest + value).split("\n\n");
        rest = events.pop();
        for (const event of events) this.#take(event);
      }
    } finally {
      clearTimeout(timer);
      reading.abort();
    }
  }

  #take(text) {
    const fields = Object.fromEntries(text.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
    if (!fields.data) return;
    this.#attempt = 0;
    const data = JSON.parse(fields.data);
    if (fields.event === "trouble") this.#on.trouble(data.trouble);
    else this.#on.shown(data);
  }
}
