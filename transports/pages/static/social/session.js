// Somebody who is signed in, and what they say to entities. A question whose answer was lost is asked again, a command
// under the key that it went out with, so that it is done once.

import { Client, ProtocolError } from "../greenroom.js";
import { uniqueId } from "../outbox.js";
import { headersOf, inPath, readView } from "../views.js";

const ATTEMPTS_MAX = 5;
const DELAY_MS = 300;

export class Session {
  /** One of `token`, `user` alone. */
  constructor({ user, token }) {
    this.user = user;
    this.token = token;
    const url = new URL("connection/websocket", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    this.client = new Client(url.href, token ? { token } : { data: { user } });
  }

  /** `ask("feed:ann", "read", {limit: 10})`. Rejects with ProtocolError. */
  ask(entity, command, data = {}) {
    return again(() => this.client.rpc(`${entity}/${command}`, data));
  }

  /** The same for what changes something. */
  act(entity, command, data = {}) {
    return this.ask(entity, command, { ...data, idempotency_key: uniqueId() });
  }

  /** A command to one's own entity of a kind: `own("follows", "mute", {user})`. */
  own(kind, command, data) {
    return this.act(`${kind}:${this.user}`, command, data);
  }

  /** Rows of a view: `rows("people", "all", {search})`, `{rows, next}`. */
  rows(view, key, asked = {}) {
    return readView(`${view}/${inPath(key)}`, asked, this);
  }

  /** The view of an entity that this user need not watch. */
  async view(kind, key) {
    const answer = await fetch(new URL(`api/${kind}/${inPath(key)}`, document.baseURI), { headers: this.headers });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.error?.message ?? answer.statusText);
    return body.view;
  }

  get headers() {
    return headersOf(this);
  }
}

/** Try `send` until there is an answer that will not be another one. */
export async function again(send, { wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms)), attempts = ATTEMPTS_MAX } = {}) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await send();
    } catch (error) {
      const isWorthwhile = error instanceof ProtocolError && (error.code < 100 || error.temporary);
      if (!isWorthwhile || attempt >= attempts) throw error;
      await wait(DELAY_MS * 2 ** attempt * (0.5 + Math.random() / 2));
    }
  }
}
