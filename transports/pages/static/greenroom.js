// A small client of Greenroom's live protocol (version 2 of the Centrifuge protocol, JSON over WebSocket). It knows
// connections, channels and calls; what a room is, the page knows.
//
// What it promises: a subscription's publications arrive in order, each offset at most once; after any interruption
// it asks for exactly what it missed, and says so when the server no longer has it.

const OPERATION_MS = 5000; // what a command may wait for its reply
const PING_GRACE_MS = 10000; // on top of the server's ping interval
const DELAY_MIN_MS = 300;
const DELAY_MAX_MS = 20000;
const STABLE_MS = 5000; // a connection that lasted so long starts the backoff anew

export class ProtocolError extends Error {
  constructor(code, message, temporary = false) {
    super(message);
    this.name = "ProtocolError";
    this.code = code;
    this.temporary = temporary;
  }
}

// Below 100 the client's own, as in the SDKs: whether the command was handled is then unknown.
export const TIMEOUT = 1;
export const TRANSPORT_CLOSED = 2;
export const UNSUBSCRIBED = 7;

/** Full jitter: anything between the minimum and min · 2ⁿ, so that a thousand clients never come back at once. */
export function backoffMs(attempt, random = Math.random) {
  const ceiling = Math.min(DELAY_MAX_MS, DELAY_MIN_MS * 2 ** Math.min(attempt, 10));
  return Math.min(DELAY_MAX_MS, DELAY_MIN_MS + random() * ceiling);
}

/** Close codes that mean "do not come back": 3500–3999, 4500–4999, and a message over the size limit. */
export function isFinal(code) {
  return (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000) || code === 1009;
}

/**
 * One connection, kept alive. Events (CustomEvent, in `detail`):
 *   state  {state: "disconnected" | "connecting" | "connected", code, reason, retryAt}   retryAt in ms of Date.now()
 * Options: `data` for the connect command, `token`, and `getToken`, an async function that fetches a fresh one.
 */
export class Client extends EventTarget {
  state = "disconnected";
  id = "";
  #url;
  #options;
  #socket = null;
  #nextId = 1;
  #calls = new Map(); // command id -> {resolve, reject, timer}
  #subscriptions = new Map(); // channel -> Subscription
  #waiting = new Set(); // calls made while not connected
  #attempt = 0;
  #retryTimer = 0;
  #pingTimer = 0;
  #pingMs = 0;
  #pong = false;
  #refreshTimer = 0;
  #stableTimer = 0;

  constructor(url, options = {}) {
    super();
    this.#url = url;
    this.#options = options;
    globalThis.addEventListener?.("online", () => this.retryNow());
    globalThis.addEventListener?.("offline", () => this.#socket && this.#drop(TRANSPORT_CLOSED, "offline"));
    globalThis.document?.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.retryNow());
  }

  connect() {
    if (this.state !== "disconnected") return;
    this.#attempt = 0;
    this.#setState("connecting", 0, "connect called");
    this.#open();
  }

  /** Stops for good, until connect() is called again. */
  disconnect(code = 0, reason = "disconnect called") {
    if (this.state === "disconnected") return;
    this.#teardown(new ProtocolError(TRANSPORT_CLOSED, reason));
    clearTimeout(this.#retryTimer);
    this.#setState("disconnected", code, reason);
    for (const wait of [...this.#waiting]) wait.reject(new ProtocolError(TRANSPORT_CLOSED, reason));
  }

  /** Don't wait out the backoff: the user asked, or the network is back. */
  retryNow() {
    if (this.state === "connecting" && !this.#socket) {
      clearTimeout(this.#retryTimer);
      this.#open();
    }
  }

  /** One command to an entity: `rpc("room:lobby/send", {text})`. Waits for a connection, up to the operation timeout. */
  async rpc(method, data = {}) {
    return (await this.#call({ rpc: { method, data } })).rpc?.data;
  }

  async history(channel, { limit, since, reverse } = {}) {
    const request = { channel, limit, since, reverse };
    return (await this.#call({ history: request })).history;
  }

  async presence(channel) {
    return (await this.#call({ presence: { channel } })).presence.presence;
  }

  /** At most one subscription per channel; the same object comes back while it lives. */
  subscribe(channel, listeners, options = {}) {
    let subscription = this.#subscriptions.get(channel);
    if (!subscription) {
      subscription = new Subscription(channel, listeners, options);
      this.#subscriptions.set(channel, subscription);
      if (this.state === "connected") this.#subscribe(subscription);
    }
    return subscription;
  }

  unsubscribe(subscription) {
    if (this.#subscriptions.get(subscription.channel) !== subscription) return;
    this.#subscriptions.delete(subscription.channel);
    subscription.end(0, "unsubscribe called");
    // Whatever the answer: a server that didn't hear of it is left by reconnecting, as the SDKs do.
    if (this.state === "connected") {
      this.#request({ unsubscribe: { channel: subscription.channel } }).catch((error) => {
        if (error.code === TIMEOUT) this.#drop(TRANSPORT_CLOSED, "no answer to unsubscribe");
      });
    }
  }

  // ---- connection

  async #open() {
    clearTimeout(this.#retryTimer);
    if (!this.#options.token && this.#options.getToken && !(await this.#fetchToken())) return;
    if (this.state !== "connecting" || this.#socket) return;
    let socket;
    try {
      socket = new WebSocket(this.#url);
    } catch (error) {
      return this.disconnect(1, String(error)); // a bad URL stays bad
    }
    this.#socket = socket;
    // A server that accepts and then says nothing looks like one that is away.
    this.#pingTimer = setTimeout(() => this.#socket === socket && this.#drop(TIMEOUT, "no connection in time"), 2 * OPERATION_MS);
    socket.onopen = () => this.#socket === socket && this.#greet(socket);
    socket.onmessage = (event) => this.#socket === socket && this.#receive(event.data);
    socket.onclose = (event) => this.#socket === socket && this.#closed(event.code, event.reason);
  }

  #greet(socket) {
    const { token, data, name = "greenroom" } = this.#options;
    const connect = { name, ...(token ? { token } : {}), ...(data ? { data } : {}) };
    // Connect and every subscription in one frame: one round trip until messages flow.
    const commands = [[{ connect }, (reply) => this.#connected(socket, reply), (error) => this.#refused(socket, error)]];
    for (const subscription of this.#subscriptions.values()) commands.push(this.#subscribeCommand(subscription));
    this.#send(commands);
  }

  #connected(socket, { connect }) {
    if (this.#socket !== socket) return;
    this.id = connect.client;
    this.#pingMs = (connect.ping ?? 0) * 1000;
    this.#pong = connect.pong === true;
    this.#sawLife();
    this.#scheduleRefresh(connect);
    this.#stableTimer = setTimeout(() => (this.#attempt = 0), STABLE_MS);
    this.#setState("connected", 0, "connected");
    for (const wait of [...this.#waiting]) wait.go();
  }

  #refused(socket, error) {
    if (this.#socket !== socket) return;
    if (error.code === 109) this.#options.token = undefined; // expired: fetch another, if we can
    if (error.code === 109 && !this.#options.getToken) this.disconnect(1, error.message);
    else if (error.temporary || error.code < 100 || error.code === 109) this.#drop(error.code, error.message);
    else this.disconnect(error.code, error.message);
  }

  #closed(code, reason) {
    if (isFinal(code)) return this.disconnect(code, reason || "closed by the server");
    if (code === 3014) {
      if (this.#options.getToken) this.#options.token = undefined;
      for (const subscription of this.#subscriptions.values()) subscription.forgetPosition();
    }
    this.#drop(code, reason || "connection lost");
  }

  /** The connection is gone and another is wanted. */
  #drop(code, reason) {
    this.#teardown(new ProtocolError(TRANSPORT_CLOSED, reason));
    if (this.state === "disconnected") return;
    const delay = backoffMs(this.#attempt++);
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#open(), delay);
    this.#setState("connecting", code, reason, Date.now() + delay);
  }

  #teardown(error) {
    const socket = this.#socket;
    this.#socket = null;
    this.#pingMs = 0;
    for (const timer of [this.#pingTimer, this.#refreshTimer, this.#stableTimer]) clearTimeout(timer);
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(1000);
    }
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) {
      clearTimeout(call.timer);
      call.reject(error);
    }
    for (const subscription of this.#subscriptions.values()) subscription.pause();
  }

  #setState(state, code, reason, retryAt = 0) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: { state, code, reason, retryAt } }));
  }

  // ---- tokens

  /** True when there is one. Otherwise it has arranged what comes next. */
  async #fetchToken() {
    try {
      this.#options.token = await this.#options.getToken();
    } catch {
      this.#drop(TRANSPORT_CLOSED, "no token yet");
      return false;
    }
    if (this.#options.token) return true;
    this.disconnect(1, "unauthorized");
    return false;
  }

  #scheduleRefresh({ expires, ttl }) {
    clearTimeout(this.#refreshTimer);
    if (!expires || !this.#options.getToken) return;
    this.#refreshTimer = setTimeout(() => this.#refresh(), Math.min(ttl * 1000, 2 ** 31 - 1));
  }

  async #refresh() {
    const socket = this.#socket;
    if (!(await this.#fetchToken()) || this.#socket !== socket) return;
    try {
      this.#scheduleRefresh((await this.#request({ refresh: { token: this.#options.token } })).refresh);
    } catch (error) {
      if (error.temporary || error.code < 100) this.#scheduleRefresh({ expires: true, ttl: 5 + 5 * Math.random() });
      else this.disconnect(error.code, error.message);
    }
  }

  // ---- commands and replies

  /** Sends now or once connected; fails after the operation timeout either way. */
  #call(command) {
    if (this.state === "connected") return this.#request(command);
    return new Promise((resolve, reject) => {
      const finish = (settle) => (value) => {
        clearTimeout(timer);
        this.#waiting.delete(wait);
        settle(value);
      };
      const wait = { reject: finish(reject), go: () => finish(resolve)(this.#request(command)) };
      const timer = setTimeout(() => wait.reject(new ProtocolError(TIMEOUT, "timeout")), OPERATION_MS);
      this.#waiting.add(wait);
    });
  }

  #request(command) {
    return new Promise((resolve, reject) => this.#send([[command, resolve, reject]]));
  }

  #send(commands) {
    const lines = commands.map(([command, resolve, reject]) => {
      const id = this.#nextId++;
      const timer = setTimeout(() => {
        this.#calls.delete(id);
        reject(new ProtocolError(TIMEOUT, "timeout"));
      }, OPERATION_MS);
      this.#calls.set(id, { resolve, reject, timer });
      return JSON.stringify({ id, ...command });
    });
    this.#socket.send(lines.join("\n"));
  }

  #receive(frame) {
    this.#sawLife();
    for (const line of String(frame).split("\n")) {
      if (!line) continue;
      let reply;
      try {
        reply = JSON.parse(line);
      } catch {
        return this.#drop(TRANSPORT_CLOSED, "undecodable frame");
      }
      if (reply.id) this.#settle(reply);
      else if (reply.push) this.#push(reply.push);
      else if (this.#pong) this.#socket?.send("{}"); // the empty reply is a ping
      if (!this.#socket) return; // a reply ended the connection: what follows belongs to nobody
    }
  }

  #settle(reply) {
    const call = this.#calls.get(reply.id);
    if (!call) return;
    this.#calls.delete(reply.id);
    clearTimeout(call.timer);
    if (reply.error) call.reject(new ProtocolError(reply.error.code, reply.error.message, reply.error.temporary === true));
    else call.resolve(reply);
  }

  #push({ channel, pub, join, leave, unsubscribe, disconnect }) {
    if (disconnect) return this.#closed(disconnect.code, disconnect.reason);
    const subscription = this.#subscriptions.get(channel);
    if (!subscription) return;
    if (pub) subscription.take(pub);
    else if (join) subscription.emit("join", join.info);
    else if (leave) subscription.emit("leave", leave.info);
    else if (unsubscribe) this.#unsubscribed(subscription, unsubscribe);
  }

  #sawLife() {
    if (!this.#pingMs || !this.#socket || this.state === "disconnected") return;
    clearTimeout(this.#pingTimer);
    this.#pingTimer = setTimeout(() => this.#drop(TIMEOUT, "no ping"), this.#pingMs + PING_GRACE_MS);
  }

  // ---- subscriptions

  #subscribe(subscription) {
    if (this.state === "connected" && this.#subscriptions.get(subscription.channel) === subscription) {
      this.#send([this.#subscribeCommand(subscription)]);
    }
  }

  #subscribeCommand(subscription) {
    const retry = () => {
      const delay = backoffMs(subscription.attempt++);
      subscription.retryTimer = setTimeout(() => this.#subscribe(subscription), delay);
    };
    return [
      { subscribe: subscription.request() },
      (reply) => {
        // The listener may have left the channel while the answer was on its way.
        if (this.#subscriptions.get(subscription.channel) === subscription) subscription.begin(reply.subscribe);
      },
      (error) => {
        if (this.#subscriptions.get(subscription.channel) !== subscription || error.code === TRANSPORT_CLOSED) return;
        if (error.code === TIMEOUT) this.#drop(TRANSPORT_CLOSED, "no answer to subscribe");
        else if (error.code === 112) subscription.forgetPosition(), retry();
        else if (error.temporary) retry();
        else this.#end(subscription, error.code, error.message);
      },
    ];
  }

  /** Below 2500 it is over; from there on the server wants us back, usually with our position. */
  #unsubscribed(subscription, { code, reason }) {
    if (code < 2500) return this.#end(subscription, code, reason);
    if (code === 2502) subscription.forgetPosition();
    subscription.pause();
    this.#subscribe(subscription);
  }

  #end(subscription, code, reason) {
    this.#subscriptions.delete(subscription.channel);
    subscription.end(code, reason);
  }
}

/**
 * One channel's publications. Listeners, all optional:
 *   subscribed({data, recovered, wasRecovering})  before the publications that came with it
 *   publication(pub)   pub.offset rises by one where the channel has history; absent on ephemeral ones
 *   caughtUp()         after what was missed has been delivered, or at once when nothing was
 *   subscribing()      interrupted; it will come back by itself
 *   unsubscribed(code, reason)  over, and why
 *   join(info), leave(info)
 */
export class Subscription {
  state = "subscribing";
  offset = 0;
  epoch = "";
  attempt = 0;
  retryTimer = 0;
  #listeners;
  #data;
  #recover = false;

  constructor(channel, listeners, { data } = {}) {
    this.channel = channel;
    this.#listeners = listeners;
    this.#data = data;
  }

  request() {
    const request = { channel: this.channel, positioned: true, recoverable: true, join_leave: true };
    if (this.#data) request.data = this.#data;
    if (this.#recover) Object.assign(request, { recover: true, offset: this.offset, epoch: this.epoch });
    return request;
  }

  begin(result) {
    this.state = "subscribed";
    this.attempt = 0;
    const recovered = result.recovered === true;
    if (!recovered) this.offset = result.offset ?? 0;
    if (result.epoch) this.epoch = result.epoch;
    this.#recover = result.recoverable === true;
    this.emit("subscribed", { data: result.data, recovered, wasRecovering: result.was_recovering === true });
    for (const pub of result.publications ?? []) this.take(pub);
    this.offset = Math.max(this.offset, result.offset ?? 0); // beyond the last of them where events are hidden
    this.emit("caughtUp");
  }

  /** At most once by offset: a duplicate is dropped here, so that no page has to think of it. */
  take(pub) {
    if (this.state !== "subscribed") return;
    if (pub.offset) {
      if (pub.epoch && pub.epoch !== this.epoch) {
        this.epoch = pub.epoch; // the journal began anew, as watchers of a view are told by the view
      } else if (pub.offset <= this.offset) return;
      this.offset = pub.offset;
    }
    this.emit("publication", pub);
  }

  pause() {
    clearTimeout(this.retryTimer);
    if (this.state !== "subscribed") return;
    this.state = "subscribing";
    this.emit("subscribing");
  }

  end(code, reason) {
    clearTimeout(this.retryTimer);
    this.state = "unsubscribed";
    this.emit("unsubscribed", code, reason);
  }

  forgetPosition() {
    this.offset = 0;
    this.epoch = "";
    this.#recover = false;
  }

  emit(name, ...details) {
    try {
      this.#listeners[name]?.(...details);
    } catch (error) {
      console.error(error); // a page's mistake must not break the stream
    }
  }
}
