// The page of views and sinks: what each table is made of by now, what waits, and what can be done about it.

import { element } from "./element.js";
import { VIEW_STATES, count, entityLink, figures, rate, seconds, section, table, tag, when } from "./admin_views.js";

/** What is asked before it is done. `of` is the view's name, or an entity of it. */
export const STEPS = {
  pause: { name: "Pause", title: "Pause it?", yes: "Pause it", about: (view) => `${view}: nothing is folded or delivered until it is resumed. Rows can be read, and are late; retention keeps the events.` },
  resume: { name: "Resume", title: "Go on with it?", yes: "Resume it", about: (view) => `${view}: goes on from where it was paused.` },
  rebuild: { name: "Rebuild", title: "Fill another table?", yes: "Rebuild it", about: (view) => `${view}: a second table is filled from the journal beside the live one, and takes its place once it has caught up. Where one is being filled already, that begins anew.` },
  retry: { name: "Retry parked", title: "Try again?", yes: "Try again", about: (view, entity) => `${view}: ${entity ? entity : "every parked entity"} is tried again, from the event that could not be folded.` },
  "drop-old": { name: "Drop old", title: "Drop its old tables?", yes: "Drop them", about: (view) => `${view}: tables that others have taken the place of, or that nobody fills, are gone. A release can't be taken back to them.` },
};

/** What was done, as the server says. */
export function done(step, view, answer) {
  if (step === "pause") return `${view} is paused.`;
  if (step === "resume") return `${view} goes on.`;
  if (step === "rebuild") return `${answer.table} is being filled.`;
  if (step === "retry") return answer.retried ? `${count(answer.retried)} to be tried again.` : "Nothing of it is parked any more.";
  return answer.dropped ? `${count(answer.dropped)} dropped.` : "There was nothing to drop.";
}

/** `shown` is what the server says of all; `parked` a Map: a table's id -> what was read of its parked entities. */
export function tables(shown, { isAdmin, now, parked }) {
  const all = shown.views.flatMap((view) => view.tables.map((one) => ({ ...one, view: view.name })));
  const sum = (field) => all.reduce((total, one) => total + (one[field] ?? 0), 0);
  // Nodes say what they fold by view and version: of one that is rebuilt, each of its tables bears the rate of both.
  const folding = all.filter((one) => one.events_per_s !== null);
  const rates = new Map(folding.map((one) => [`${one.view} ${one.version}`, one.events_per_s]));
  const missing = shown.nodes - shown.answered;
  return [
    element("h1", { "data-key": "title" }, "Views and sinks"),
    figures([
      ["views", count(shown.views.filter((one) => one.kind === "view").length)],
      ["sinks", count(shown.views.filter((one) => one.kind === "sink").length)],
      ["entities behind", count(sum("entities_behind"))],
      ["events/s", rate([...rates.values()].reduce((total, one) => total + one, 0))],
      ["parked", count(sum("parked")), sum("parked") ? "bad" : ""],
      missing ? ["nodes", `${shown.answered} of ${shown.nodes}`, "bad"] : null,
    ].filter(Boolean)),
    isAdmin ? null : element("p", { class: "hint", "data-key": "viewer" }, "A viewer changes nothing, and sees which entities wait, not why."),
    ...(shown.views.length ? shown.views.map((view) => one(view, { isAdmin, now, parked })) : [element("p", { class: "nothing", "data-key": "none" }, "There are none.")]),
  ].filter(Boolean);
}

function one(view, { isAdmin, now, parked }) {
  return section(
    `view-${view.name}`, view.name,
    element("p", { class: "hint" }, view.kind === "sink" ? "A sink. " : "", view.in_code ? "" : "This release has no code of it. ", view.paused ? tag("paused", "warn") : ""),
    table(`Tables of ${view.name}`, [
      ["Version", (one) => (one.build > 1 ? `${one.version} (${one.build})` : String(one.version))],
      ["State", (one) => [tag(one.state, VIEW_STATES[one.state] ?? ""), one.abandoned ? tag("abandoned", "bad") : null, one.resting ? tag("rests", "warn") : null]],
      ["Behind", (one) => behind(one), true],
      ["Oldest", (one) => seconds(one.oldest_unfolded_s), true],
      ["Events/s", (one) => rate(one.events_per_s), true],
      ["Progress", (one) => progress(one)],
      ["Parked", (one) => (one.parked ? [tag(count(one.parked), "bad"), " ", element("button", { type: "button", "data-action": "parked", "data-table": String(one.id), "aria-label": `${parked.has(one.id) ? "Hide" : "Show"} what is parked in ${view.name} ${one.version}` }, parked.has(one.id) ? "Hide" : "Show")] : "–")],
    ], view.tables, ({ id }) => String(id)),
    ...view.tables.filter(({ id }) => parked.has(id)).map(({ id }) => waiting(view, id, parked.get(id), { isAdmin, now })),
    isAdmin ? element("div", { class: "actions", "data-key": "steps" }, ...view.can.map((step) => button(step, view.name))) : null,
  );
}

function button(step, view, entity) {
  const label = entity ? `Retry ${entity}` : `${STEPS[step].name} ${view}`;
  return element("button", { type: "button", "data-action": "steer", "data-step": step, "data-view": view, "data-entity": entity ?? null, "data-key": `${step} ${entity ?? ""}`, "aria-label": label }, entity ? "Retry" : STEPS[step].name);
}

const counted = (number, one, many) => `${count(number)} ${number === 1 ? one : many}`;

function behind({ state, entities_behind: entities, events_behind: events }) {
  if (state === "old") return "–";
  if (entities === null) return "counting …";
  return entities ? `${counted(entities, "entity", "entities")}, ${counted(events, "event", "events")}` : "nothing";
}

function progress({ done, estimate_s: estimate }) {
  if (done === null) return "–";
  const share = `${Math.floor(done * 100)} %`;
  return [element("progress", { max: "1", value: String(done), "aria-label": "folded" }), ` ${share}`, estimate === null ? "" : `, about ${seconds(estimate)} left`];
}

/** Parked entities of one table, of which `read` has {parked, next, after}. */
function waiting(view, id, read, { isAdmin, now }) {
  const page = [
    read.after ? element("button", { type: "button", "data-action": "parked-page", "data-table": String(id), "data-after": "0" }, "First") : null,
    read.next ? element("button", { type: "button", "data-action": "parked-page", "data-table": String(id), "data-after": String(read.next) }, "Next") : null,
  ].filter(Boolean);
  if (!read.parked.length && !page.length) return element("p", { class: "nothing", "data-key": `parked ${id}` }, "Nothing is parked any more.");
  return element(
    "div", { "data-key": `parked ${id}` },
    table(`Parked in ${view.name}`, [
      ["Entity", (one) => entityLink(one.entity)],
      ["Event", (one) => count(one.offset), true],
      ["Since", (one) => when(one.at_ms, now)],
      ["Error", (one) => (one.error === null ? "(for admins)" : element("details", {}, element("summary", {}, one.error.slice(0, 160)), element("pre", { tabindex: "0", "aria-label": `Traceback of ${one.entity}` }, one.traceback)))],
      ...(isAdmin ? [["Decide", (one) => button("retry", view.name, one.entity)]] : []),
    ], read.parked, (one) => one.entity),
    page.length ? element("div", { class: "actions" }, ...page) : null,
  );
}
