// The official JavaScript SDK, unmodified, against a running server. Run by tests/e2e/test_sdk_js.py.

import assert from "node:assert/strict";
import { Centrifuge, State, SubscriptionState, UnauthorizedError } from "centrifuge";
import WebSocket from "ws";
import { ask, serve, until } from "./scenarios.mjs";

const open = new Set();

/** Not connected yet; notes what it is told. */
function newClient({ url, user, ...options }) {
  const client = new Centrifuge(url, {
    websocket: WebSocket,
    maxReconnectDelay: 500,
    ...(user === undefined ? {} : { data: { user } }),
    ...options,
  });
  client.seen = { connected: [], connecting: [], disconnected: [], errors: [], subscribed: [], publications: [] };
  for (const event of ["connected", "connecting", "disconnected"]) client.on(event, (ctx) => client.seen[event].push(ctx));
  client.on("error", (ctx) => client.seen.errors.push(ctx));
  client.on("subscribed", (ctx) => client.seen.subscribed.push(ctx)); // by the server
  client.on("publication", (ctx) => client.seen.publications.push(ctx));
  open.add(client);
  return client;
}

async function connected(options) {
  const client = newClient(options);
  client.connect();
  await client.ready(10_000);
  return client;
}

/** A subscription that is on, or has been refused. */
async function watching(client, channel, options = {}) {
  const subscription = client.newSubscription(channel, options);
  const seen = { subscribed: [], unsubscribed: [], publications: [], joined: [], left: [], errors: [] };
  subscription.on("subscribed", (ctx) => seen.subscribed.push(ctx));
  subscription.on("unsubscribed", (ctx) => seen.unsubscribed.push(ctx));
  subscription.on("publication", (ctx) => seen.publications.push(ctx));
  subscription.on("join", (ctx) => seen.joined.push(ctx));
  subscription.on("leave", (ctx) => seen.left.push(ctx));
  subscription.on("error", (ctx) => seen.errors.push(ctx));
  subscription.subscribe();
  await until(() => seen.subscribed.length || seen.unsubscribed.length, `the subscription to ${channel}`);
  return [subscription, seen];
}

const textsOf = (seen) => seen.publications.filter((pub) => pub.data.type === "room.message").map((pub) => pub.data.text);
const offsetsOf = (publications) => publications.map((pub) => pub.offset);
const upTo = (last) => Array.from({ length: last }, (_, index) => index + 1);

async function refused(call) {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Error("it was not refused");
}

const scenarios = {
  async connects_and_disconnects({ url, room }) {
    const client = await connected({ url, user: "ann" });
    assert.ok(client.seen.connected[0].client);
    assert.equal(client.seen.connected[0].transport, "websocket");
    await client.rpc(`${room}/send`, { text: "hi" });
    client.disconnect();
    await until(() => client.seen.disconnected.length, "the disconnect");
    assert.equal(client.seen.disconnected[0].code, 0);
  },

  async connects_with_a_token({ url, room, token }) {
    const client = await connected({ url, token });
    await client.rpc(`${room}/send`, { text: "hi" });
  },

  async stops_with_a_forged_token({ url, token }) {
    const client = newClient({ url, token: `${token.slice(0, -6)}forged` });
    client.connect();
    await until(() => client.seen.disconnected.length, "the client to be stopped");
    assert.equal(client.seen.disconnected[0].code, 3500);
    assert.equal(client.state, State.Disconnected);
  },

  async replaces_an_expired_token({ url, token, expired }) {
    let asked = 0;
    await connected({ url, token: expired, getToken: async () => (asked++, token) });
    assert.equal(asked, 1);
  },

  async refreshes_a_token({ url, token, soon }) {
    const tokens = [soon, token];
    let asked = 0;
    const client = await connected({ url, getToken: async () => tokens[asked++] });
    await until(() => asked === 2, "the token to be refreshed");
    await client.rpc("room:any/typing", {});
    assert.equal(client.seen.connected.length, 1);
  },

  async stops_when_there_is_no_token_to_be_had({ url, expired }) {
    const getToken = async () => {
      throw new UnauthorizedError("no");
    };
    const client = newClient({ url, token: expired, getToken });
    client.connect();
    await until(() => client.seen.disconnected.length, "the client to give up");
    assert.equal(client.seen.disconnected[0].code, 1);
  },

  async subscribes_with_the_view({ url, room }) {
    const client = await connected({ url, user: "ann" });
    await client.rpc(`${room}/send`, { text: "before" });
    const [, seen] = await watching(client, room);
    const [begun] = seen.subscribed;
    assert.equal(begun.data.messages.at(-1).text, "before");
    assert.deepEqual([begun.recoverable, begun.positioned, begun.wasRecovering], [true, true, false]);
    assert.equal(begun.streamPosition.offset, 2);
    assert.ok(begun.streamPosition.epoch);
  },

  async publishes_in_order({ url, room }) {
    const ann = await connected({ url, user: "ann" });
    const bob = await connected({ url, user: "bob" });
    const [own, seenOwn] = await watching(ann, room);
    const [, seen] = await watching(bob, room);
    const texts = upTo(50).map((number) => `message ${number}`);
    await Promise.all(texts.map((text) => own.publish({ text })));
    for (const one of [seen, seenOwn]) {
      await until(() => textsOf(one).length === 50, "all messages");
      assert.deepEqual(textsOf(one), texts);
      assert.deepEqual(offsetsOf(one.publications), upTo(51));
    }
    assert.equal(seen.publications[1].data.author, "ann");
  },

  async commands_sent_while_connecting_wait({ url, room }) {
    const client = newClient({ url, user: "ann" });
    client.connect();
    const { data } = await client.rpc(`${room}/send`, { text: "early" });
    assert.equal(data.offset, 2);
  },

  async rpc_answers_and_refuses({ url, room }) {
    const ann = await connected({ url, user: "ann" });
    const bob = await connected({ url, user: "bob" });
    const { data } = await ann.rpc(`${room}/send`, { text: "hi" });
    assert.equal(data.offset, 2);
    const wrong = await refused(ann.rpc(`${room}/send`, { text: 5 }));
    assert.equal(wrong.code, 107);
    assert.match(wrong.message, /text/);
    assert.equal((await refused(ann.rpc(`${room}/fly`, {}))).code, 104);
    assert.equal((await refused(ann.rpc("nokind:x/send", {}))).code, 102);
    await bob.rpc(`${room}/join`, {});
    await ann.rpc(`${room}/mute`, { user: "bob" });
    const muted = await refused(bob.rpc(`${room}/send`, { text: "but" }));
    assert.equal(muted.code, 403);
    assert.match(muted.message, /^room\.muted/);
  },

  async pages_through_history({ url, room }) {
    const client = await connected({ url, user: "ann" });
    for (const number of upTo(7)) await client.publish(room, { text: `m${number}` });
    const { publications, offset, epoch } = await client.history(room);
    assert.deepEqual([publications, offset], [[], 8]);
    const read = async (options) => offsetsOf((await client.history(room, options)).publications);
    assert.deepEqual(await read({ limit: 3 }), [1, 2, 3]);
    assert.deepEqual(await read({ limit: -1 }), upTo(8));
    assert.deepEqual(await read({ limit: 3, reverse: true }), [8, 7, 6]);
    assert.deepEqual(await read({ limit: 10, since: { offset: 4, epoch } }), [5, 6, 7, 8]);
    assert.deepEqual(await read({ limit: 2, reverse: true, since: { offset: 4, epoch } }), [3, 2]);
    assert.equal((await refused(client.history(room, { limit: 1, since: { offset: 4, epoch: "another" } }))).code, 112);
  },

  async presence_joins_and_leaves({ url, room }) {
    const ann = await connected({ url, user: "ann" });
    const bob = await connected({ url, user: "bob" });
    const [, seen] = await watching(ann, room, { joinLeave: true });
    const [subscription] = await watching(bob, room);
    const bobs = bob.seen.connected[0].client;
    await until(() => seen.joined.some((ctx) => ctx.info.client === bobs && ctx.info.user === "bob"), "bob's join");
    const { clients } = await ann.presence(room);
    assert.deepEqual(Object.values(clients).map((info) => info.user).sort(), ["ann", "bob"]);
    assert.equal(clients[bobs].user, "bob");
    const { numClients, numUsers } = await bob.presenceStats(room);
    assert.deepEqual([numClients, numUsers], [2, 2]);
    subscription.unsubscribe();
    await until(() => seen.left.some((ctx) => ctx.info.client === bobs), "bob's leave");
    assert.equal((await ann.presenceStats(room)).numClients, 1);
  },

  async recovers_after_unsubscribing({ url, room }) {
    const ann = await connected({ url, user: "ann" });
    const bob = await connected({ url, user: "bob" });
    const [subscription, seen] = await watching(bob, room, { recoverable: true });
    await ann.publish(room, { text: "one" });
    await until(() => textsOf(seen).length === 1, "the first message");
    subscription.unsubscribe();
    await ann.publish(room, { text: "two" });
    await ann.publish(room, { text: "three" });
    assert.deepEqual(textsOf(seen), ["one"]);
    subscription.subscribe();
    await until(() => textsOf(seen).length === 3, "what was missed");
    await ann.publish(room, { text: "four" });
    await until(() => textsOf(seen).length === 4, "what came after");
    assert.deepEqual(offsetsOf(seen.publications), upTo(5));
    assert.deepEqual([seen.subscribed[1].wasRecovering, seen.subscribed[1].recovered], [true, true]);
  },

  async is_refused_a_subscription({ url, room }) {
    const ann = await connected({ url, user: "ann" });
    await ann.rpc(`${room}/join`, {});
    await ann.rpc(`${room}/set`, { open: false });
    const eve = await connected({ url, user: "eve" });
    for (const [channel, code] of [[room, 103], ["room:@ann+bob", 103], ["nokind:x", 102]]) {
      const [, seen] = await watching(eve, channel);
      assert.equal(seen.unsubscribed[0]?.code, code, channel);
    }
  },

  async stays_over_several_pings({ url }) {
    let pings = 0;
    class CountingSocket extends WebSocket {
      constructor(...args) {
        super(...args);
        this.on("message", (data) => String(data) === "{}" && pings++);
      }
    }
    const client = await connected({ url, user: "ann", websocket: CountingSocket, maxServerPingDelay: 2_000 });
    await until(() => pings >= 3, "three pings");
    assert.equal(client.state, State.Connected);
    assert.equal(client.seen.connected.length, 1);
  },

  async is_subscribed_to_its_session({ url, token }) {
    const client = await connected({ url, token });
    const [{ channel }] = await until(() => client.seen.subscribed.length && client.seen.subscribed, "the session");
    await client.rpc(`${channel}/push`, { data: { note: 1 } });
    const pushed = () => client.seen.publications.find((pub) => pub.data.type === "session.pushed");
    assert.deepEqual((await until(pushed, "the push")).data.data, { note: 1 });
    return channel;
  },

  async comes_back_with_all_it_watched({ url, token, tokens }) {
    const sockets = [];
    class Kept extends WebSocket {
      constructor(...given) {
        super(...given);
        sockets.push(this);
      }
    }
    const client = await connected({ url, token, websocket: Kept });
    const seen = await Promise.all(
      Object.entries(tokens).map(async ([channel, one]) => (await watching(client, channel, { token: one }))[1]),
    );
    sockets.at(-1).terminate();
    const back = () => client.seen.connected.length === 2 && seen.every((one) => one.subscribed.length === 2);
    await until(back, "all subscriptions to be back", { withinMs: 4_000 });
    assert.equal(sockets.length, 2);
    return seen.length;
  },

  async connects_and_disconnects_in_a_loop({ url, room }) {
    const client = newClient({ url, user: "ann" });
    for (let turn = 0; turn < 10; turn++) {
      client.connect();
      if (turn % 2) await client.ready(10_000);
      client.disconnect();
      assert.equal(client.state, State.Disconnected);
    }
    client.connect();
    await client.rpc(`${room}/send`, { text: "hi" });
    assert.equal(client.state, State.Connected);
  },

  async subscribes_and_unsubscribes_in_a_loop({ url, room }) {
    const ann = await connected({ url, user: "ann" });
    const bob = await connected({ url, user: "bob" });
    const [subscription, seen] = await watching(bob, room);
    for (let turn = 0; turn < 20; turn++) {
      subscription.unsubscribe();
      subscription.subscribe();
      if (turn % 2) await subscription.ready(10_000);
    }
    await subscription.ready(10_000);
    await ann.publish(room, { text: "heard once" });
    await ann.publish(room, { text: "and this" });
    await until(() => textsOf(seen).length >= 2, "both messages");
    assert.deepEqual(textsOf(seen), ["heard once", "and this"]);
    assert.equal((await ann.presenceStats(room)).numClients, 1);
    assert.equal(bob.seen.connected.length, 1);
    subscription.unsubscribe();
    await until(async () => (await ann.presenceStats(room)).numClients === 0, "bob to be gone");
  },

  async unsubscribes_before_it_is_answered({ url, room }) {
    const ann = await connected({ url, user: "ann" });
    const bob = newClient({ url, user: "bob" });
    const subscription = bob.newSubscription(room);
    const heard = [];
    subscription.on("publication", (ctx) => heard.push(ctx));
    subscription.subscribe();
    bob.connect();
    await bob.ready(10_000); // its subscribe is under way
    subscription.unsubscribe();
    await bob.rpc(`${room}/send`, { text: "not heard" });
    await until(async () => (await ann.presenceStats(room)).numClients === 0, "nobody to watch");
    assert.deepEqual([heard, subscription.state], [[], SubscriptionState.Unsubscribed]);
    assert.equal(bob.seen.connected.length, 1);
  },

  async watches_many_with_tokens_in_one_message({ url, token, tokens }) {
    const client = newClient({ url, token });
    const subscriptions = Object.entries(tokens).map(([channel, one]) => client.newSubscription(channel, { token: one }));
    const { length } = subscriptions;
    client.connect();
    await client.ready(10_000);
    client.startBatching();
    for (const one of subscriptions) one.subscribe();
    client.stopBatching();
    await Promise.all(subscriptions.map((one) => one.ready(10_000)));
    const clients = async () => {
      const found = await Promise.all(subscriptions.map((one) => client.presenceStats(one.channel)));
      return found.reduce((sum, { numClients }) => sum + numClients, 0);
    };
    assert.equal(await clients(), length);
    client.startBatching();
    for (const one of subscriptions) one.unsubscribe();
    client.stopBatching();
    await until(async () => (await clients()) === 0, "nobody to watch any more");
    assert.ok(subscriptions.every((one) => one.state === SubscriptionState.Unsubscribed));
    return length;
  },

  async refreshes_a_subscription_token({ url, token, tokens: [soon, later], channel }) {
    const tokens = [soon, later];
    let asked = 0;
    const client = await connected({ url, token });
    const [subscription, seen] = await watching(client, channel, { getToken: async () => tokens[asked++] });
    await until(() => asked === 2, "the token to be refreshed");
    await subscription.publish({ text: "still on" });
    await until(() => textsOf(seen).length === 1, "the message");
    assert.deepEqual([seen.subscribed.length, seen.unsubscribed.length, seen.errors.length], [1, 0, 0]);
  },

  async gives_up_a_subscription_without_a_token({ url, token, tokens: [expired], channel }) {
    const client = await connected({ url, token });
    const getToken = async () => {
      throw new UnauthorizedError("no");
    };
    const [, seen] = await watching(client, channel, { token: expired, getToken });
    assert.equal(seen.unsubscribed[0].code, 1);
    assert.equal(client.state, State.Connected);
  },

  async recovers_however_often_it_is_cut_off({ url, room }) {
    const sockets = [];
    class Kept extends WebSocket {
      constructor(...given) {
        super(...given);
        sockets.push(this);
      }
    }
    const ann = await connected({ url, user: "ann" });
    const bob = await connected({ url, user: "bob", websocket: Kept, minReconnectDelay: 1, maxReconnectDelay: 20 });
    const [, seen] = await watching(bob, room, { recoverable: true });
    const texts = upTo(40).map((number) => `message ${number}`);
    for (const [number, text] of texts.entries()) {
      await ann.publish(room, { text });
      if (number % 4 === 3) sockets.at(-1).terminate(); // wherever it is: opening, connecting, recovering, watching
    }
    await until(() => textsOf(seen).length >= texts.length, "all messages");
    assert.deepEqual(textsOf(seen), texts);
    assert.deepEqual(offsetsOf(seen.publications), upTo(41));
    await until(async () => (await ann.presenceStats(room)).numClients === 1, "one connection of bob's to be left");
  },

  async recovers_after_a_restart({ url, room }) {
    const ann = await connected({ url, user: "ann" });
    const bob = await connected({ url, user: "bob" });
    const [subscription, seen] = await watching(bob, room, { recoverable: true });
    await ann.publish(room, { text: "before" });
    await until(() => textsOf(seen).length === 1, "the first message");
    await ask("restart the server, and send");
    await until(() => bob.seen.connected.length === 2 && seen.subscribed.length === 2, "bob to be back");
    await ann.publish(room, { text: "after" });
    await until(() => textsOf(seen).length === 3, "all messages");
    assert.deepEqual(textsOf(seen), ["before", "meanwhile", "after"]);
    assert.deepEqual(offsetsOf(seen.publications), upTo(4));
    assert.deepEqual([seen.subscribed[1].wasRecovering, seen.subscribed[1].recovered], [true, true]);
    assert.equal(subscription.state, SubscriptionState.Subscribed);
    return bob.seen.connecting[1].code;
  },
};

const closing = Object.fromEntries(
  Object.entries(scenarios).map(([name, scenario]) => [
    name,
    async (given) => {
      try {
        return await scenario(given);
      } finally {
        for (const client of open) client.disconnect();
        open.clear();
      }
    },
  ]),
);

await serve(closing);
