// What the admin page shows, from what the server says. Each view is a function from data to nodes; nothing here reads
// or remembers. Text only ever becomes text nodes.

import { element } from "./element.js";

export const entityLink = (name) => element("a", { href: `#/entity/${encodeURIComponent(name)}` }, name);
const shortNode = (node) => element("code", { title: node }, node ? node.slice(0, 8) : "–");

// ---- figures

export function count(number) {
  if (number === null || number === undefined) return "–";
  return Number(number).toLocaleString("en");
}

export function rate(number) {
  if (number === null || number === undefined) return "–";
  return number >= 100 ? count(Math.round(number)) : String(Math.round(number * 10) / 10);
}

export function bytes(number) {
  if (number === null || number === undefined) return "–";
  let at = 0;
  while (number >= 1024 && at < 4) {
    number /= 1024;
    at += 1;
  }
  return `${at && number < 100 ? number.toFixed(1) : Math.round(number)} ${["B", "KiB", "MiB", "GiB", "TiB"][at]}`;
}

export function seconds(number) {
  if (number === null || number === undefined) return "–";
  if (number < 0.001) return number ? `${Math.round(number * 1e6)} µs` : "0 s";
  if (number < 1) return `${Math.round(number * 1000)} ms`;
  if (number < 60) return `${Math.round(number * 10) / 10} s`;
  if (number < 3600) return `${Math.floor(number / 60)} min ${Math.round(number % 60)} s`;
  if (number < 86_400) return `${Math.floor(number / 3600)} h ${Math.floor((number % 3600) / 60)} min`;
  return `${Math.floor(number / 86_400)} d ${Math.floor((number % 86_400) / 3600)} h`;
}

/** A moment, as so long before another. */
export function when(ms, now) {
  if (!ms) return "–";
  const ago = (now - ms) / 1000;
  const text = ago >= 0 ? `${seconds(Math.round(ago))} ago` : `in ${seconds(Math.round(-ago))}`;
  return element("time", { datetime: new Date(ms).toISOString(), title: new Date(ms).toISOString() }, text);
}

// ---- pieces

export const section = (key, title, ...content) => element("section", { "data-key": key, "aria-label": title }, element("h2", {}, title), ...content);
export const nothing = (text) => element("p", { class: "nothing" }, text);

/** `columns`: [label, cell of a row, is it a number?]; the first names its row. */
export function table(caption, columns, rows, keyOf) {
  const cell = (row, [label, show, isNumber], index) => {
    const content = show(row);
    const all = Array.isArray(content) ? content : [content];
    const tag = index ? "td" : "th";
    return element(tag, { class: isNumber ? "number" : null, scope: index ? null : "row", "data-label": label }, ...all);
  };
  return element(
    "table", {},
    element("caption", { class: "vh" }, caption),
    element("thead", {}, element("tr", {}, ...columns.map(([label, , isNumber]) => element("th", { scope: "col", class: isNumber ? "number" : null }, label)))),
    element("tbody", {}, ...rows.map((row) => element("tr", { "data-key": keyOf(row) }, ...columns.map((column, index) => cell(row, column, index))))),
  );
}

export function figures(pairs) {
  return element("dl", { class: "figures", "data-key": "figures" }, ...pairs.map(([name, value, how]) => element("div", {}, element("dt", {}, name), element("dd", { class: how || null }, value))));
}

export function facts(pairs) {
  return element("dl", { class: "facts" }, ...pairs.filter(Boolean).flatMap(([name, ...value]) => [element("dt", {}, name), element("dd", {}, ...value)]));
}

export const tag = (text, how = "") => element("span", { class: `tag ${how}` }, text);

const STATES = { up: "good", joining: "warn", draining: "warn", dead: "bad" };

export const VIEW_STATES = { live: "good", filling: "warn" };

const badLinks = (one) => Object.entries(one.told?.links ?? {}).filter(([, how]) => how === "no answer").map(([node]) => tag(`no link to ${node.slice(0, 8)}`, "warn"));

// ---- the cluster

export function cluster(shown) {
  const now = shown.at_ms;
  const { rates } = shown;
  const missing = shown.nodes.length - shown.answered;
  return [
    element("h1", { "data-key": "title" }, "Cluster"),
    figures([
      ["nodes", missing ? `${shown.answered} of ${shown.nodes.length}` : count(shown.nodes.length), missing ? "bad" : ""],
      ["awake", count(shown.awake)],
      ["connections", count(shown.connections)],
      ["subscriptions", count(shown.subscriptions)],
      ["commands/s", rate(rates.commands)],
      ["events/s", rate(rates.events)],
      ["deliveries/s", rate(rates.deliveries)],
      ["messages waiting", count(shown.mailbox_depth)],
      ["slow consumers", count(shown.slow_count), shown.slow_count ? "warn" : ""],
      ["dead letters", count(shown.letters_stored), shown.letters_stored ? "warn" : ""],
    ]),
    section("nodes", "Nodes", table("Nodes with load, lag and lease", [
      ["Node", (one) => [element("code", {}, one.node), element("br"), element("small", { class: "hint" }, `${one.url} · ${one.version}`)]],
      ["State", (one) => [tag(one.state, STATES[one.state] ?? ""), one.answered ? null : tag("does not answer", "bad"), ...badLinks(one)]],
      ["Shards", (one) => count(one.shards), true],
      ["Lease", (one) => element("span", { class: one.lease_left_s < 1 ? "bad" : null }, seconds(Math.max(one.lease_left_s, 0))), true],
      ["Lag p99", (one) => element("span", { class: (one.figures?.lag_p99_s ?? 0) > 0.05 ? "warn" : null }, seconds(one.figures?.lag_p99_s)), true],
      ["Commit p99", (one) => seconds(one.figures?.commit_p99_s), true],
      ["CPU", (one) => (one.figures ? `${Math.round(one.figures.cpu * 100)} %` : "–"), true],
      ["Memory", (one) => bytes(one.told?.memory_bytes), true],
      ["Awake", (one) => count(one.told?.awake), true],
      ["Connections", (one) => count(one.told?.connections), true],
      ["Commands/s", (one) => rate(one.figures?.rates.commands), true],
      ["Started", (one) => when(one.joined_at_ms, now), true],
    ], shown.nodes, (one) => one.node)),
    section("kinds", "Awake by kind", Object.keys(shown.kinds).length
      ? table("Entities that are awake, by kind", [
        ["Kind", ([kind]) => kind],
        ["Awake", ([, number]) => count(number), true],
        ["Share", ([, number]) => element("meter", { min: 0, max: Math.max(shown.awake, 1), value: number, "aria-label": "share" })],
      ], Object.entries(shown.kinds), ([kind]) => kind)
      : nothing("Nobody is awake.")),
    section("deepest", "Deepest mailboxes", shown.deepest.length
      ? table("The mailboxes in which most messages wait", [
        ["Entity", (one) => entityLink(one.mailbox.entity)],
        ["Messages", (one) => count(one.mailbox.messages), true],
        ["Bytes", (one) => bytes(one.mailbox.bytes), true],
        ["Oldest", (one) => seconds(one.mailbox.age_s), true],
        ["Node", (one) => shortNode(one.node)],
      ], shown.deepest, (one) => one.mailbox.entity)
      : nothing("No message waits.")),
    section("slow", "Slow consumers", shown.slow.length
      ? table("Clients that take less than there is for them", [
        ["Client", (one) => one.consumer.peer || "(an address, for admins)"],
        ["Waiting", (one) => bytes(one.consumer.bytes), true],
        ["For", (one) => seconds(one.consumer.waited_s), true],
        ["Node", (one) => shortNode(one.node)],
      ], shown.slow, (one) => `${one.node} ${one.consumer.peer}`)
      : nothing("Everybody keeps up.")),
    section("rates", "Rates", table("What happens in a second, on all nodes", [
      ["What", ([name]) => RATES[name] ?? name],
      ["A second", ([, number]) => rate(number), true],
    ], Object.entries(rates), ([name]) => name)),
    section("failures", "Last failures", shown.failures.length ? failures(shown.failures, now, true) : nothing("None that this run of the nodes remembers.")),
    shown.ended.length ? section("ended", "Nodes that have ended", table("Nodes that have ended lately", [
      ["Node", (one) => [element("code", {}, one.node), " ", element("small", { class: "hint" }, one.url)]],
      ["Ended", (one) => when(one.at_ms, now)],
      ["Why", (one) => one.why],
    ], shown.ended, (one) => one.node)) : null,
  ].filter(Boolean);
}

const RATES = {
  commands: "commands", commands_failed: "commands refused or failed", events: "events committed", commits: "commits",
  commit_failures: "commits that failed", deliveries: "publications delivered", activations: "entities woken",
  passivations: "entities put to sleep", restarts: "restarts after a crash", dead_letters: "dead letters", connects: "connects",
  refused_connects: "connects refused", slow_disconnects: "slow clients disconnected", remote_messages: "messages to other nodes",
  fenced_appends: "appends fenced",
};

function failures(all, now, withEntity) {
  return table("What went wrong lately", [
    ["When", (one) => when(one.at_ms, now)],
    ...(withEntity ? [["Entity", (one) => entityLink(one.entity)]] : []),
    ["What", (one) => tag(one.what, one.what === "restarted" ? "warn" : "bad")],
    ["Error", (one) => one.error || "(for admins)"],
  ], all, (one) => `${one.at_ms} ${one.entity}`);
}

// ---- shards

export function shards(shown) {
  const now = shown.at_ms;
  const total = shown.nodes.reduce((sum, one) => sum + one.shards, 0);
  return [
    element("h1", { "data-key": "title" }, "Shards"),
    section("owners", "Who owns them", table("Shards by node", [
      ["Node", (one) => element("code", {}, one.node)],
      ["State", (one) => tag(one.state, STATES[one.state] ?? "")],
      ["Shards", (one) => count(one.shards), true],
      ["Share", (one) => element("meter", { min: 0, max: Math.max(total, 1), value: one.shards, "aria-label": "share" })],
      ["Capacity", (one) => count(one.capacity), true],
    ], shown.nodes, (one) => one.node)),
    section("moves", "Moves", element("p", { class: "hint" }, "What the nodes that answer have done since they started, the newest first."), shown.moves.length
      ? table("Moves of shards with cause and duration", [
        ["When", (one) => when(one.at_ms, now)],
        ["Shards", (one) => count(one.shards), true],
        ["From", (one) => shortNode(one.former)],
        ["To", (one) => shortNode(one.owner)],
        ["Cause", (one) => one.cause],
        ["Took", (one) => seconds(one.seconds), true],
      ], shown.moves, (one) => `${one.at_ms} ${one.former} ${one.owner}`)
      : nothing("None yet.")),
    section("changes", "Last change of each shard", element("p", { class: "hint" }, "As the database has it, also of nodes that have ended."), table("Shards by their last change of owner", [
      ["When", (one) => when(one.at_ms, now)],
      ["Shards", (one) => count(one.shards), true],
      ["Owner", (one) => shortNode(one.owner)],
      ["Cause", (one) => one.cause || "–"],
    ], shown.changes, (one) => `${one.at_ms} ${one.owner} ${one.cause}`)),
  ];
}

// ---- dead letters

export function letters(found, about) {
  const { isAdmin } = about;
  const now = Date.now();
  return [
    element("h1", { "data-key": "title" }, "Dead letters"),
    section("letters", "Messages that could not be handled", isAdmin ? null : element("p", { class: "hint" }, "A viewer sees neither errors nor content, and neither retries nor drops any."), found.letters.length
      ? table("Dead letters, the newest first", [
        ["Letter", (one) => count(one.id)],
        ["When", (one) => when(one.at_ms, now)],
        ["Entity", (one) => entityLink(one.entity)],
        ["Message", (one) => one.type],
        ["Strikes", (one) => count(one.strikes), true],
        ...(isAdmin ? [["Error", (one) => element("details", {}, element("summary", {}, (one.error || "").slice(0, 160)), element("p", { class: "hint" }, `from ${one.user || "Greenroom, or another entity"}`), element("pre", {}, pretty(one.payload), one.is_cut ? " …" : ""))]] : []),
        ["Decide", (one) => decide(one, one.entity, about)],
      ], found.letters, (one) => String(one.id))
      : nothing("None. Everything could be handled.")),
    found.next ? element("div", { class: "actions", "data-key": "more" }, element("button", { type: "button", "data-action": "older-letters", "data-before": String(found.next) }, "Older")) : null,
  ].filter(Boolean);
}

function decide(letter, entity, { isAdmin, wished, dropped }) {
  if (dropped.has(letter.id)) return tag("dropped");
  if (!isAdmin) return letter.wished ? tag("to be retried", "warn") : "–";
  const { id } = letter;
  const about = `${letter.type} to ${entity}`;
  const drop = element("button", { type: "button", "data-action": "drop", "data-letter": String(id), "data-about": about, "aria-label": `Drop letter ${id}` }, "Drop");
  if (letter.wished || wished.has(id)) return element("span", { class: "choices" }, tag("to be retried", "warn"), drop);
  return element("span", { class: "choices" }, element("button", { type: "button", "data-action": "retry", "data-letter": String(id), "aria-label": `Retry letter ${id}` }, "Retry"), drop);
}

export const pretty = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

// ---- an entity

export function entity(shown, { isAdmin, now, wished, dropped }) {
  const { place, stored, told } = shown;
  const watchers = Object.entries(shown.watchers);
  const most = shown.counted_max;
  const counted = (number) => (number >= most ? `${count(most)} or more` : count(number));
  return [
    element("h1", { "data-key": "title" }, shown.entity),
    section("place", "Where it is, and why", facts([
      ["Kind", shown.kind, shown.durable === false ? " (it has no journal)" : "", ...ownPage(shown)],
      ["Shard", place.shard === null ? "–" : `${count(place.shard)} of ${count(place.shards)}, term ${place.term}`],
      ["Node", place.node ? element("code", {}, place.node) : "nobody's", " ", place.url ?? ""],
      place.state ? ["State", tag(place.state, STATES[place.state] ?? ""), place.state !== "dead" ? ` lease ${seconds(Math.max(place.lease_left_s ?? 0, 0))}` : ""] : null,
      place.since_ms ? ["Since", when(place.since_ms, now), place.cause ? ` (${place.cause})` : ""] : null,
      ["Why", place.why],
    ])),
    section("memory", "In memory", told ? facts(memory(told)) : nothing(`Not known: ${shown.told_why}.`)),
    told?.failures.length ? section("failures", "Failures", failures(told.failures, now, false)) : null,
    section("watchers", "Who watches", watchers.length
      ? table("Connections that watch it, by node", [
        ["Node", ([node]) => element("code", {}, node)],
        ["Connections", ([, number]) => count(number), true],
      ], watchers, ([node]) => node)
      : nothing(told ? "Nobody." : "Not known.")),
    section("stored", "Stored", stored ? facts([
      ["Epoch", element("code", {}, stored.epoch)],
      ["Offset", count(stored.offset)],
      ["Events kept", count(stored.offset - stored.trimmed)],
      stored.last_at_ms ? ["Last event", when(stored.last_at_ms, now)] : null,
      ["Claimed", `term ${stored.term}, activation ${stored.activation}, by `, element("code", {}, stored.claimed_by)],
      ["Snapshot", stored.snapshot ? `offset ${count(stored.snapshot.offset)}, ${bytes(stored.snapshot.bytes)} ` : "none", stored.snapshot ? when(stored.snapshot.at_ms, now) : ""],
      ["Marks", `${counted(stored.marks)} senders`],
      ["Command ids", `${counted(stored.kept_ids)} outlive their events`],
    ]) : nothing("Nothing is stored of it.")),
    section("timers", "Timers", shown.timers.length
      ? table("Durable timers, the next ones first", [
        ["Timer", (one) => one.name ?? "(a name, for admins)"],
        ["Due", (one) => when(one.due_ms, now)],
      ], shown.timers, (one) => `${one.name} ${one.due_ms}`)
      : nothing("None.")),
    section("outbox", "Outbox", shown.outbox.length
      ? table("Messages on their way to other entities", [
        ["To", (one) => (one.type === null ? one.to : entityLink(one.to))],
        ["Message", (one) => one.type ?? "–"],
      ], shown.outbox, (one) => `${one.to} ${one.type}`)
      : nothing("Nothing is on its way.")),
    section("letters", "Dead letters", shown.letters.length
      ? table(`${counted(shown.letters_count)} in all`, [
        ["Letter", (one) => count(one.id)],
        ["When", (one) => when(one.at_ms, now)],
        ["Message", (one) => one.type],
        ["Error", (one) => one.error ?? "(for admins)"],
        ["Decide", (one) => decide(one, shown.entity, { isAdmin, wished, dropped })],
      ], shown.letters, (one) => String(one.id))
      : nothing("None.")),
    section("views", "Views and sinks", shown.views.length
      ? table("How far views and sinks have come with it", [
        ["Name", (one) => [element("a", { href: "#/views" }, one.name), one.kind === "sink" ? " (a sink)" : ""]],
        ["Version", (one) => (one.build > 1 ? `${one.version} (${one.build})` : String(one.version)), true],
        ["State", (one) => [tag(one.state, VIEW_STATES[one.state] ?? ""), one.paused ? tag("paused", "warn") : null]],
        ["Up to event", (one) => count(one.offset), true],
        ["Behind", (one) => (one.behind ? count(one.behind) : "nothing"), true],
        ["Parked", (one) => (one.parked === null ? "–" : [tag(`at event ${count(one.parked)}`, "bad"), " ", one.error ?? "(why: for admins)"])],
      ], shown.views, (one) => `${one.name} ${one.version} ${one.build}`)
      : nothing("No view or sink is told of it.")),
    section("traces", "Last traces", told?.spans.length
      ? table("Spans that were recorded while this page was open", [
        ["Span", (one) => one.name],
        ["When", (one) => when(one.at_ms, now)],
        ["Took", (one) => seconds(one.seconds), true],
        ["Outcome", (one) => one.outcome || "–"],
        ["Trace", (one) => element("code", {}, one.trace)],
      ], told.spans, (one) => `${one.trace} ${one.name} ${one.at_ms}`)
      : nothing("None was recorded since this page was opened: GREENROOM_TRACE_SAMPLE says how many are.")),
  ].filter(Boolean);
}

/** Queues, jobs and sagas have one, which says more. */
function ownPage({ entity, kind, saga }) {
  const [page, name] = saga ? ["saga", entity] : [kind, entity.slice(kind.length + 1)];
  return saga || kind === "queue" || kind === "job" ? [" ", element("a", { href: `#/${page}/${encodeURIComponent(name)}` }, "Its page")] : [];
}

function memory(told) {
  if (!told.awake) return [["Awake", told.down_s ? tag(`no: it failed, and is kept down for ${seconds(told.down_s)}`, "bad") : "no, it sleeps"]];
  return [
    ["Awake", tag("yes", "good"), told.departing ? " its shard is on its way to another node" : ""],
    ["Last message", `${seconds(told.idle_s)} ago`],
    told.offset === null ? null : ["Offset", count(told.offset)],
    ["Mailbox", `${count(told.waits)} messages, ${bytes(told.waits_bytes)}`, told.waits_s ? `, the oldest for ${seconds(told.waits_s)}` : ""],
    told.flights ? ["In flight", `${count(told.flights)} bursts wait for their commit`] : null,
    told.suspects ? ["Suspects", `${count(told.suspects)} messages are handled one by one`] : null,
    ["Restarts", told.restarts ? element("span", { class: "warn" }, `${count(told.restarts)} that still count`) : "none lately"],
  ];
}

/** State and journal of an entity, which are read when somebody asks for them. */
export function content({ state, journal, isAdmin, now }) {
  if (!isAdmin) return [section("state", "State and journal", nothing("For admins: it is what people wrote."))];
  return [
    section("state", "State", element("div", { class: "actions" }, element("button", { type: "button", "data-action": "state" }, state ? "Read again" : "Read")), state ? element("div", {}, element("p", { class: "hint" }, stateIs(state)), state.state === null ? null : element("pre", { tabindex: "0", "aria-label": "State" }, pretty(state.state))) : null),
    section("journal", "Journal", journal ? element("ol", { class: "events" }, ...journal.events.map((event) => element("li", { "data-key": String(event.offset) }, element("b", {}, `${count(event.offset)} `), element("span", {}, event.payload?.type ?? ""), " ", when(event.at_ms, now), element("pre", {}, pretty(event.payload), event.is_cut ? " …" : "")))) : null, journal && !journal.events.length ? nothing("No events.") : null, element("div", { class: "actions" }, journal ? element("button", { type: "button", "data-action": "journal" }, "Newest") : null, !journal || journal.next ? element("button", { type: "button", "data-action": journal ? "older-events" : "journal" }, journal ? "Older" : "Read") : null)),
  ];
}

function stateIs(state) {
  if (state.is_long) return "It is too long to be shown.";
  if (state.of === "memory") return `As it is in memory, at offset ${count(state.offset)}.`;
  return state.offset === null ? "It sleeps, and has no snapshot: its journal has it all." : `It sleeps: this is its snapshot, of offset ${count(state.offset)}.`;
}
