// The pages of queues, of one queue with its jobs, of a job and of a saga, from what the server says. As admin_views.js:
// functions from data to nodes, that read and remember nothing.

import { element } from "./element.js";
import { count, entityLink, facts, figures, nothing, pretty, rate, seconds, section, table, tag, when } from "./admin_views.js";

export const STATES = ["waiting", "delayed", "retrying", "blocked", "active", "cancelling", "completed", "failed", "cancelled"];
const HOW = { active: "good", completed: "good", retrying: "warn", cancelling: "warn", blocked: "warn", failed: "bad" };
const ENDED = new Set(["completed", "failed", "cancelled"]);
const STEP_HOW = { done: "good", running: "good", resting: "warn", undo_resting: "warn", undoing: "warn", refused: "bad", failed: "bad", overdue: "bad", stuck: "bad" };
const ERROR_SHORT = 160;

export const queueLink = (queue) => element("a", { href: `#/queue/${encodeURIComponent(queue)}` }, queue);
export const jobLink = (id, text = id) => element("a", { class: "short", href: `#/job/${id}` }, text);
const stateTag = (state) => tag(state, HOW[state] ?? "");
const button = (action, text, data = {}, kind = "") => element("button", { type: "button", class: kind || null, "data-action": action, ...data }, text);

/** What is asked before it is done. */
export const STEERED = {
  pause: { title: "Pause this queue?", yes: "Pause it", about: (name) => `${name}: nothing more is handed out until it is resumed. What is under way goes on.` },
  resume: { title: "Go on with this queue?", yes: "Resume it", about: (name) => `${name}: its jobs are handed out again.` },
  retry: { title: "Try this job now?", yes: "Try it", about: (name) => `${name}: it is due at once. One that has ended begins anew, with all its attempts.` },
  drop: { title: "Forget this job?", yes: "Forget it", no: "Keep it", about: (name) => `${name}: what it was given, and what came of it, is gone.` },
  cancel: { title: "Cancel this job?", yes: "Cancel it", no: "Keep it", about: (name) => `${name}: it is not tried again. One that is under way is told to end.` },
};

export const SAGA_STEPS = {
  retry: { name: "Retry", title: "Try again now?", yes: "Try again", about: (name) => `${name}: what was refused, or put off, is tried again now.` },
  resume: { name: "Resume", title: "Go forward again?", yes: "Go forward", about: (name) => `${name}: what was undone is begun anew.` },
  cancel: { name: "Cancel", title: "Cancel this saga?", yes: "Cancel it", no: "Keep it", about: (name) => `${name}: it goes back, and what was done is undone.` },
};

// ---- all queues

export function queues(shown) {
  const sum = (field) => shown.queues.reduce((total, one) => total + (one[field] ?? 0), 0);
  const sumRate = (outcome) => shown.queues.reduce((total, one) => total + (one.rates?.[outcome] ?? 0), 0);
  const missing = shown.nodes - shown.answered;
  return [
    element("h1", { "data-key": "title" }, "Jobs"),
    figures([
      ["queues", count(shown.queues.length)],
      ["waiting", count(sum("waiting"))],
      ["under way", count(sum("active"))],
      ["completed/s", rate(sumRate("completed"))],
      ["failed/s", rate(sumRate("failed")), sumRate("failed") ? "bad" : ""],
      missing > 0 ? ["nodes", `${shown.answered} of ${shown.nodes}`, "bad"] : null,
    ].filter(Boolean)),
    section("queues", "Queues", shown.queues.length
      ? table("Queues, with what waits in each", [
        ["Queue", (one) => [queueLink(one.queue), one.in_code ? null : element("small", { class: "hint" }, " no class here")]],
        ["State", (one) => queueState(one)],
        ["Waiting", (one) => count(one.waiting), true],
        ["Oldest", (one) => (one.waiting ? seconds(one.oldest_s) : "–"), true],
        ["Later", (one) => later(one), true],
        ["Under way", (one) => count(one.active), true],
        ["Workers", (one) => workers(one), true],
        ["Completed/s", (one) => rate(one.rates?.completed), true],
        ["Failed/s", (one) => element("span", { class: one.rates?.failed ? "bad" : null }, rate(one.rates?.failed)), true],
      ], shown.queues, (one) => one.queue)
      : nothing("There are none: no class of jobs is installed, and nobody has added any.")),
  ];
}

function queueState(one) {
  if (!one.awake) return element("span", { class: "hint" }, "nothing to do");
  return [one.paused ? tag("paused", "warn") : one.waiting && !one.workers ? tag("no worker", "bad") : tag("open", "good"), one.limited ? tag("limited") : null];
}

const later = (one) => (one.retrying ? `${count(one.delayed + one.retrying)}, ${count(one.retrying)} tried before` : count(one.delayed));
const workers = (one) => element("span", { class: one.waiting && !one.workers ? "bad" : null }, count(one.workers));

// ---- one queue

/** `shown` is the queue; `list` what was read of its jobs, or null; `asked` the filters; `limiting`: is the form open? */
export function queue(shown, { isAdmin, now, list, asked, limiting }) {
  return [
    element("h1", { "data-key": "title" }, shown.queue),
    figures([
      ["waiting", count(shown.waiting)],
      ["oldest", shown.waiting ? seconds(shown.oldest_ms / 1000) : "–"],
      ["delayed", count(shown.delayed)],
      ["retrying", count(shown.retrying), shown.retrying ? "warn" : ""],
      shown.blocked === undefined ? null : ["blocked", count(shown.blocked)],
      ["under way", count(shown.active)],
      ["workers", count(shown.working), shown.waiting && !shown.working ? "bad" : ""],
      ["completed/s", rate(shown.rates?.completed)],
      ["failed/s", rate(shown.rates?.failed), shown.rates?.failed ? "bad" : ""],
    ].filter(Boolean)),
    section("set", "How it is set", facts([
      ["State", shown.paused ? [tag("paused", "warn"), shown.paused_until_ms ? [" until ", when(shown.paused_until_ms, now)] : " until it is resumed", shown.paused_reason ? `: ${shown.paused_reason}` : ""] : tag("open", "good")].flat(2),
      ["Limits", limitsText(shown.limits)],
      ["Classes", shown.classes.length ? shown.classes.join(", ") : "none in this release"],
    ].map(([name, ...value]) => [name, ...value.flat()])), isAdmin ? element("div", { class: "actions" },
      button("queue-step", shown.paused ? "Resume" : "Pause", { "data-step": shown.paused ? "resume" : "pause", "data-name": shown.queue, "data-key": "pause" }),
      button("limit", limiting ? "Leave limits" : "Limit", { "data-key": "limit", "aria-expanded": String(Boolean(limiting)) })) : null,
    isAdmin && limiting ? limitForm(shown.queue, limiting) : null),
    section("workers", "Workers", holding(shown)),
    section("jobs", "Jobs", filters(shown, asked, isAdmin), jobList(list, { isAdmin, now })),
  ];
}

function limitsText(limits) {
  const said = [
    limits.concurrency ? `${count(limits.concurrency)} at once` : "",
    limits.per_key ? `${count(limits.per_key)} of each key` : "",
    limits.rate ? `${count(limits.rate.n)} in ${seconds(limits.rate.per_s ?? 1)}` : "",
    limits.per_key_rate ? `${count(limits.per_key_rate.n)} of each key in ${seconds(limits.per_key_rate.per_s ?? 1)}` : "",
    keyed(limits.tiers, "with limits of their own"),
    keyed(limits.weights, "with weights"),
    limits.on_retry === "block" ? "a job that is tried again holds up its key" : "",
  ].filter(Boolean);
  return said.length ? said.join("; ") : "none";
}

function keyed(by, text) {
  const number = typeof by === "number" ? by : Object.keys(by ?? {}).length;
  return number ? `${count(number)} ${number === 1 ? "key" : "keys"} ${text}` : "";
}

function limitForm(name, limits) {
  const field = (label, key, value) => element("label", {}, label, element("input", { name: key, type: "number", min: "1", max: "1000000", value: value ? String(value) : null, placeholder: "no limit" }));
  return element(
    "form", { class: "form", "data-form": "limit", "data-name": name, "data-key": "limits" },
    field("At once", "concurrency", limits.concurrency),
    field("Of each key at once", "per_key", limits.per_key),
    field("Begin", "rate", limits.rate?.n),
    element("label", {}, "in so many seconds", element("input", { name: "per_s", type: "number", min: "0.001", step: "any", value: String(limits.rate?.per_s ?? 1) })),
    element("p", { class: "hint" }, "What is left as it is stays as it is; emptied, what the code declares holds."),
    element("div", { class: "actions" }, element("button", { class: "primary" }, "Set limits")),
  );
}

function holding(shown) {
  const held = Object.entries(shown.holding ?? {});
  if (!held.length) return nothing(shown.working ? `${count(shown.working)} ${shown.working === 1 ? "is" : "are"} there.` : "Nobody works on it.");
  return table("Workers, with the jobs that they have in hand", [
    ["Worker", ([name]) => element("code", {}, name)],
    ["Jobs", ([, number]) => count(number), true],
  ], held, ([name]) => name);
}

function filters({ queue: name, classes }, asked, isAdmin) {
  const text = (label, key, more = {}) => element("label", {}, label, element("input", { name: key, value: asked[key] ?? null, maxlength: "200", autocapitalize: "none", spellcheck: "false", ...more }));
  return element(
    "form", { class: "form", role: "search", "aria-label": "Filters", "data-form": "filter", "data-name": name, autocomplete: "off" },
    element("label", {}, "State", element("select", { name: "state", "aria-label": "State" }, element("option", { value: "" }, "any"), ...STATES.map((one) => element("option", { value: one, selected: asked.state === one }, one)))),
    text("Class", "kind", { list: "classes" }),
    element("datalist", { id: "classes" }, ...classes.map((one) => element("option", { value: one }))),
    isAdmin ? text("Key", "key") : null,
    isAdmin ? text("Words", "search") : null,
    element("div", { class: "actions" }, element("button", {}, "Filter")),
  );
}

function jobList(list, { isAdmin, now }) {
  if (!list) return nothing("Reading …");
  const more = list.next ? element("div", { class: "actions" }, list.after ? button("first-jobs", "Newest") : null, button("more-jobs", "Older", { "data-after": list.next })) : list.after ? element("div", { class: "actions" }, button("first-jobs", "Newest")) : null;
  if (!list.jobs.length) return element("div", {}, nothing(list.next ? "None so far: there are more to look at." : "None."), more);
  return element("div", {}, table("Jobs, the last added first", [
    ["Job", (one) => [jobLink(one.id, `${one.id.slice(0, 13)}…`), element("br"), element("small", { class: "hint" }, one.job)]],
    ["State", (one) => stateTag(one.state)],
    ...(isAdmin ? [["Key", (one) => one.partition || "–"]] : []),
    ["Attempts", (one) => `${count(one.attempts)} of ${count(one.attempts_max)}`, true],
    ["Added", (one) => when(one.added_ms, now)],
    ["Since", (one) => since(one, now)],
    ["Worker", (one) => (one.worker ? element("code", {}, one.worker) : "–")],
    ...(isAdmin ? [["Error", (one) => (one.error ? one.error.slice(0, ERROR_SHORT) : "–")]] : []),
  ], list.jobs, (one) => one.id), more);
}

function since(one, now) {
  if (one.ended_ms) return when(one.ended_ms, now);
  if (one.started_ms) return when(one.started_ms, now);
  return one.due_ms > now ? ["due ", when(one.due_ms, now)] : when(one.due_ms, now);
}

// ---- one job

/** `editing`: what the form began with, or null; `log`: lines that were shown, the newest last. */
export function job(shown, { isAdmin, now, editing }) {
  const hasEnded = ENDED.has(shown.state);
  return [
    element("h1", { "data-key": "title" }, shown.job),
    section("state", "How it is", shown.trouble ? element("p", { class: "error" }, shown.trouble) : null, facts([
      ["State", stateTag(shown.state), shown.reason ? ` ${shown.reason}` : ""],
      shown.why && !hasEnded ? ["Why", shown.why] : null,
      shown.share === null ? null : ["Progress", element("progress", { max: "1", value: String(shown.share), "aria-label": "progress" }), ` ${Math.floor(shown.share * 100)} %`, shown.note ? ` ${shown.note}` : ""],
      ["Queue", queueLink(shown.queue)],
      ["Id", element("code", {}, shown.id)],
      ["Attempts", `${count(shown.attempts)} of ${count(shown.attempts_max)} failed`, shown.attempt ? `; the ${ordinal(shown.attempt)} is under way` : "", shown.lost ? element("span", { class: "warn" }, `; ${count(shown.lost)} workers ended with it in hand`) : ""],
      shown.worker ? ["Worker", element("code", {}, shown.worker)] : null,
      ["Priority", count(shown.priority)],
      shown.partition ? ["Key", shown.partition] : null,
      shown.unique ? ["Unique by", shown.unique] : null,
      shown.by ? ["For", shown.by] : null,
      shown.origin ? ["Started by", entityLink(shown.origin)] : null,
      ["Added", when(shown.added_ms, now)],
      hasEnded ? null : ["Due", when(shown.due_ms, now)],
      shown.started_ms ? ["Begun", when(shown.started_ms, now)] : null,
      shown.ended_ms ? ["Ended", when(shown.ended_ms, now), shown.started_ms ? `, after ${seconds((shown.ended_ms - shown.started_ms) / 1000)}` : ""] : null,
      shown.trace ? ["Trace", element("code", {}, shown.trace.split("-")[1] ?? "")] : null,
      shown.steps?.length ? ["Steps through", shown.steps.join(", ")] : null,
    ]), isAdmin ? steps(shown, editing) : null),
    isAdmin && editing ? section("edit", "Edit", editForm(shown, editing)) : null,
    shown.log?.length ? section("log", "Log", element("pre", { tabindex: "0", role: "log", "aria-label": "Log, the newest last", "aria-live": "off" }, shown.log.join("\n"))) : null,
    section("errors", "Attempts that failed", shown.errors.length
      ? table("Attempts that failed, the newest first", [
        ["Attempt", (one) => count(one.attempt)],
        ["When", (one) => when(one.at_ms, now)],
        ["Worker", (one) => (one.worker ? element("code", {}, one.worker) : "–")],
        ["Error", (one) => error(one)],
      ], shown.errors, (one) => `${one.at_ms} ${one.attempt}`)
      : nothing("None.")),
    isAdmin
      ? section("arguments", "Arguments", shown.arguments_are_cut ? nothing("They are too long to be shown.") : element("pre", { tabindex: "0", "aria-label": "Arguments" }, pretty(shown.arguments)))
      : section("arguments", "Arguments and result", nothing("For admins: they are what people gave.")),
    isAdmin && shown.state === "completed"
      ? section("result", "Result", shown.result_is_cut ? nothing("It is too long to be shown.") : element("pre", { tabindex: "0", "aria-label": "Result" }, pretty(shown.result)))
      : null,
    element("p", { class: "hint", "data-key": "entity" }, element("a", { href: `#/entity/${encodeURIComponent(`job:${shown.id}`)}` }, "As an entity, with its spans")),
  ].filter(Boolean);
}

function steps(shown, editing) {
  const about = { "data-name": shown.id };
  const names = { retry: ENDED.has(shown.state) ? "Retry" : "Run now", cancel: "Cancel", drop: "Forget" };
  return element("div", { class: "actions" }, ...shown.can.map((step) => (step === "edit"
    ? button("edit", editing ? "Leave it as it is" : "Edit", { "data-key": "edit", "aria-expanded": String(Boolean(editing)) })
    : button("job-step", names[step] ?? step, { ...about, "data-step": step, "data-key": step }, step === "retry" ? "" : "danger"))));
}

function editForm(shown, editing) {
  return element(
    "form", { class: "form wide", "data-form": "edit", "data-name": shown.id, autocomplete: "off" },
    shown.arguments_are_cut ? null : element("label", {}, "Arguments", element("textarea", { name: "arguments", rows: "10", spellcheck: "false", autocapitalize: "none" }, pretty(editing.shown))),
    element("label", {}, "Priority, 0 goes first", element("input", { name: "priority", type: "number", min: "0", max: "9", value: String(editing.priority) })),
    element("label", {}, "Due in so many seconds", element("input", { name: "delay_s", type: "number", min: "0", step: "any", placeholder: "as it is" })),
    element("p", { class: "hint" }, "What is [redacted] stays as it is, unless it is written over."),
    element("div", { class: "actions" }, element("button", { class: "primary" }, "Save")),
  );
}

function error(one) {
  if (one.error === undefined) return "(for admins)";
  if (!one.trace) return one.error;
  return element("details", {}, element("summary", {}, one.error.slice(0, ERROR_SHORT)), element("pre", { tabindex: "0", "aria-label": `Traceback of attempt ${one.attempt}` }, one.trace));
}

export function ordinal(number) {
  const tens = number % 100;
  const ending = tens >= 11 && tens <= 13 ? "th" : ["th", "st", "nd", "rd"][number % 10] ?? "th";
  return `${number}${ending}`;
}

/** What somebody has written into the form, as the server takes it; throws where it is no JSON object. */
export function edited({ arguments: text, priority, delay_s: delay }, editing) {
  const change = {};
  if (text !== undefined && text !== pretty(editing.shown)) {
    let read;
    try {
      read = JSON.parse(text);
    } catch {
      throw new Error("The arguments are no JSON.");
    }
    if (read === null || typeof read !== "object" || Array.isArray(read)) throw new Error("The arguments must be a JSON object.");
    change.arguments = read;
    change.shown = editing.shown;
  }
  if (priority !== "" && Number(priority) !== editing.priority) change.priority = Number(priority);
  if (delay !== "") change.delay_s = Number(delay);
  return change;
}

/** Likewise of limits, and only those that were changed: what the code declares was shown too, and must not become
 * staff's by that. An empty field is none of staff's. */
export function limited({ concurrency, per_key: perKey, rate: begin, per_s: per }, shown) {
  const number = (text) => (text === "" ? null : Number(text));
  const change = {};
  if (number(concurrency) !== (shown.concurrency ?? null)) change.concurrency = number(concurrency);
  if (number(perKey) !== (shown.per_key ?? null)) change.per_key = number(perKey);
  const rate = begin === "" ? null : { n: Number(begin), per_s: Number(per || 1) };
  if (rate?.n !== shown.rate?.n || (rate && rate.per_s !== (shown.rate.per_s ?? 1))) change.rate = rate;
  return change;
}

/** The query of a list of jobs. */
export function listQuery(queue, asked, after, limit) {
  const given = Object.entries(asked).filter(([, value]) => value);
  return String(new URLSearchParams({ queue, ...Object.fromEntries(given), limit, ...(after ? { after } : {}) }));
}

// ---- a saga

export function saga(shown, { isAdmin }) {
  const { view } = shown;
  return [
    element("h1", { "data-key": "title" }, shown.entity),
    section("state", "How it is", facts([
      ["State", tag(view.status, { done: "good", running: "good", undoing: "warn", stuck: "bad" }[view.status] ?? ""), view.cancelled ? tag("cancelled", "warn") : null].filter(Boolean),
      view.by ? ["Begun by", view.by] : null,
      view.fork_of ? ["A fork of", sagaLink(view.fork_of.entity), ` from ${view.fork_of.from_step}`] : null,
      ["Entity", entityLink(shown.entity)],
    ]), isAdmin && shown.can.length ? element("div", { class: "actions" }, ...shown.can.map((step) => button("saga-step", SAGA_STEPS[step].name, { "data-step": step, "data-name": shown.entity, "data-key": step }, step === "cancel" ? "danger" : ""))) : null),
    view.waits_for?.length ? section("waits", "What it waits for", table("What it waits for", [
      ["Step", (one) => one.step],
      ["For", (one) => named(one.for)],
      ["Until", (one) => moment(one.until)],
    ], view.waits_for, (one) => one.step)) : null,
    section("steps", "Steps", view.steps?.length ? table("Steps, in the order of the plan", [
      ["Step", (one) => one.name],
      ["State", (one) => tag(one.status, STEP_HOW[one.status] ?? "")],
      ["By", (one) => named(one.entity ?? one.done_by)],
      ["Attempts", (one) => (one.attempts || one.undo_attempts ? `${count(one.attempts ?? 1)}${one.undo_attempts ? `, ${count(one.undo_attempts)} undos` : ""}` : "–"), true],
      ["Next try", (one) => moment(one.next_try)],
      ["Error", (one) => one.error ?? "–"],
    ], view.steps, (one) => one.name) : nothing("None was begun.")),
    view.forks?.length ? section("forks", "Forks", table("Other sagas that began at a step of this one", [
      ["Saga", (one) => sagaLink(one.entity)],
      ["From", (one) => one.from_step],
      ["Refused", (one) => one.refused ?? "–"],
    ], view.forks, (one) => one.entity)) : null,
    section("log", "Log", isAdmin ? (view.log?.length ? element("pre", { tabindex: "0", "aria-label": "Log, the newest last" }, view.log.join("\n")) : nothing("Nothing has happened yet.")) : nothing("For admins.")),
  ].filter(Boolean);
}

export const sagaLink = (name) => element("a", { href: `#/saga/${encodeURIComponent(name)}` }, name);

function named(name) {
  if (!name) return "–";
  if (/^job:[0-9a-f]{32}$/.test(name)) return jobLink(name.slice(4), `job:${name.slice(4, 17)}…`);
  return /^[a-z][a-z0-9_]*:\S/.test(name) ? entityLink(name) : name;
}

const moment = (iso) => (iso ? element("time", { datetime: iso }, iso.replace("T", " ").replace(/\.\d+Z$/, " UTC")) : "–");
