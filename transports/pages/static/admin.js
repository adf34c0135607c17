// The admin page: who looks, at what, and what the buttons do. What is shown is admin_views.js, and for views and sinks
// admin_tables.js; what is read admin_live.js. Pages of jobs are admin_job_pages.js.

import { jobPages } from "./admin_job_pages.js";
import { Live, Refused, read } from "./admin_live.js";
import { STEPS, done, tables } from "./admin_tables.js";
import * as views from "./admin_views.js";
import { askWho, confirmed } from "./dialogs.js";
import { element } from "./element.js";
import { memory } from "./memory.js";
import { morphChildren } from "./morph.js";

const EVENTS = 20;
const LETTERS = 50;
const PARKED = 20;
const LETTERS_EVERY_MS = 5000;
const $ = (id) => document.getElementById(id);
const local = document.documentElement.dataset.env === "local";

let who = { token: memory.get("sessionStorage", "token"), name: local ? memory.get("localStorage", "user") : null };
let me = null; // {user, is_admin}, as the server says
let live = null;
let timer = 0;
let visit = 0; // rises with each page that is opened: what comes late is for another
let open = null; // what the entity's page has read: {name, shown, state, journal}
let folded = null; // what the page of views has: {shown, parked: a table's id -> {parked, next, after, count}}
const wished = new Set(); // letters that were asked to be retried here
const dropped = new Set(); // and those that were dropped

// ---- who looks

async function signIn() {
  if (!who.token && !who.name) return welcome();
  try {
    me = await read(who, "admin/api/me");
  } catch (error) {
    me = null;
    showMe();
    if (error instanceof Refused && error.status < 500) return welcome(error.message);
    say(`The server does not answer: ${error.message}`, true);
    timer = setTimeout(signIn, 2000);
    return;
  }
  showMe();
  route();
}

function showMe() {
  $("me-name").textContent = me ? me.user || "anonymous" : "Sign in";
  $("me-role").textContent = me ? (me.is_admin ? "admin" : "viewer, read only") : "";
}

function welcome(error = "") {
  askWho({
    local,
    ...who,
    error,
    mayCancel: Boolean(me),
    isToken: (text) => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text),
    entered(given) {
      who = given;
      leave();
      signIn();
    },
  });
}

$("me").onclick = () => welcome();

// ---- pages

function say(text, isBad = false) {
  const status = $("status");
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle("bad", isBad);
}

function leave() {
  live?.close();
  live = null;
  clearTimeout(timer);
  visit += 1;
  open = null;
  folded = null;
  jobs.leave();
}

const jobs = jobPages({
  who: () => who,
  me: () => me,
  say,
  paint,
  watch,
  later: (ms, act) => (timer = setTimeout(() => (document.hidden ? null : act()), ms)),
});
const PART_OF = { queue: "jobs", job: "jobs", saga: "jobs" }; // pages below one of the list

function route() {
  leave();
  const main = $("main");
  main.setAttribute("aria-busy", "true");
  main.replaceChildren();
  const [, page = "", rest = ""] = location.hash.match(/^#\/(\w*)\/?(.*)$/) ?? [];
  const current = page || "cluster";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.page === (PART_OF[current] ?? current)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (Object.hasOwn(jobs.routes, current)) jobs.routes[current](decoded(rest));
  else if (current === "entity") watchEntity(decoded(rest));
  else if (current === "letters") readLetters();
  else if (current === "views") watchTables();
  else watch("admin/live", (shown) => {
    paint(current === "shards" ? views.shards(shown) : views.cluster(shown));
    say(shown.trouble ? `The database does not answer: ${shown.trouble}` : "Live", Boolean(shown.trouble));
  });
  document.title = `Greenroom: ${decoded(rest) || current}`;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function paint(nodes) {
  const main = $("main");
  main.removeAttribute("aria-busy");
  morphChildren(main, nodes);
}

function watch(path, shown) {
  say("Connecting …");
  live = new Live(who, path, {
    shown,
    trouble: (text) => say(text, true),
    state: (text) => say(text, true),
    refused: (error) => refused(error),
  });
}

function refused(error) {
  if (error.status === 401) {
    me = null;
    showMe();
    welcome(error.message);
  }
  say(error.message, true);
  paint([element("p", { class: "nothing", "data-key": "refused" }, error.message)]);
}

// ---- an entity

function watchEntity(name) {
  open = { name, shown: null, state: null, journal: null };
  watch(`admin/live?entity=${encodeURIComponent(name)}`, (shown) => {
    open.shown = shown;
    paintEntity();
    say("Live");
  });
}

function paintEntity() {
  if (!open?.shown) return;
  const about = { isAdmin: me.is_admin, now: Date.now(), wished, dropped };
  paint([...views.entity(open.shown, about), ...views.content({ ...about, state: open.state, journal: open.journal })]);
}

async function readContent(what, more = {}) {
  const mine = visit;
  const asked = new URLSearchParams({ name: open.name, ...more });
  const found = await read(who, `admin/api/${what}?${asked}`);
  if (mine !== visit) return;
  open[what] = found;
  paintEntity();
}

// ---- views and sinks

function watchTables() {
  folded = { shown: null, parked: new Map() };
  watch("admin/live?show=views", (shown) => {
    folded.shown = shown;
    paintTables();
    say("Live");
    const counts = new Map(shown.views.flatMap((view) => view.tables).map((one) => [one.id, one.parked]));
    for (const [id, { count }] of folded.parked) if (counts.get(id) !== count) readParked(id).catch((error) => say(error.message, true));
  });
}

function paintTables() {
  if (folded?.shown) paint(tables(folded.shown, { isAdmin: me.is_admin, now: Date.now(), parked: folded.parked }));
}

async function readParked(id, after = 0) {
  const mine = visit;
  const count = folded.shown.views.flatMap((view) => view.tables).find((one) => one.id === id)?.parked;
  if (count === undefined) return folded.parked.delete(id);
  const found = await read(who, `admin/api/parked?${new URLSearchParams({ table: id, limit: PARKED, ...(after ? { after } : {}) })}`);
  if (mine !== visit) return;
  folded.parked.set(id, { ...found, after, count });
  paintTables();
}

// ---- dead letters

async function readLetters(before) {
  const mine = visit;
  const asked = new URLSearchParams({ limit: LETTERS, ...(before ? { before } : {}) });
  try {
    const found = await read(who, `admin/api/letters?${asked}`);
    if (mine !== visit) return;
    const there = new Map(found.letters.map((one) => [one.id, one]));
    for (const id of wished) if (there.get(id)?.wished) wished.delete(id); // the server says so itself from here on
    paint(views.letters(found, { isAdmin: me.is_admin, wished, dropped }));
    say("Live");
  } catch (error) {
    if (mine !== visit) return;
    if (error instanceof Refused && error.status < 500) return refused(error);
    say(`Not read: ${error.message}`, true);
  }
  if (!before) timer = setTimeout(() => !document.hidden && mine === visit && readLetters(), LETTERS_EVERY_MS);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && me && /^#\/(letters|queue\/)/.test(location.hash)) route();
});

// ---- what the buttons do

const actions = {
  state: () => readContent("state"),
  journal: () => readContent("journal", { limit: EVENTS }),
  "older-events": () => readContent("journal", { limit: EVENTS, before: open.journal.next }),
  "older-letters": (button) => {
    clearTimeout(timer);
    return readLetters(button.dataset.before);
  },
  async retry(button) {
    const id = Number(button.dataset.letter);
    const { wished: found } = await read(who, "admin/api/retry", { body: { ids: [id] } });
    if (!found.includes(id)) return say(`Letter ${id} is gone: it has been handled, or dropped.`);
    wished.add(id);
    say(`Letter ${id} will be handled once more.`);
    if (open) paintEntity();
    else button.closest("td").replaceChildren(element("span", { class: "tag warn" }, "to be retried"));
  },
  async drop(button) {
    const id = Number(button.dataset.letter);
    const about = `Letter ${id}, ${button.dataset.about}. Nobody will handle that message any more, and what is known of it is gone.`;
    if (!(await confirmed(about, { title: "Drop this dead letter?", yes: "Drop it", no: "Keep it" }))) return;
    const { dropped: found } = await read(who, "admin/api/drop", { body: { ids: [id] } });
    dropped.add(id);
    say(found.includes(id) ? `Letter ${id} is dropped.` : `Letter ${id} was gone: it has been handled, or dropped.`);
    if (open) return paintEntity();
    button.closest("td")?.replaceChildren(element("span", { class: "tag" }, "dropped"));
    $("main").focus();
  },
  async parked(button) {
    const id = Number(button.dataset.table);
    if (!folded.parked.delete(id)) return readParked(id);
    paintTables();
  },
  ...jobs.actions,
  "parked-page": (button) => readParked(Number(button.dataset.table), Number(button.dataset.after)),
  async steer(button) {
    const { step, view, entity } = button.dataset;
    const { title, yes, about } = STEPS[step];
    if (!(await confirmed(about(view, entity), { title, yes, no: "Cancel" }))) return;
    const answer = await read(who, `admin/api/views/${step}`, { body: { view, ...(entity ? { entity } : {}) } });
    say(done(step, view, answer));
  },
};

$("main").addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-action]");
  if (!button || button.hasAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true"); // not disabled, or it would lose the focus
  try {
    await actions[button.dataset.action](button);
  } catch (error) {
    say(error.message, true);
  } finally {
    button.removeAttribute("aria-busy");
  }
});

$("main").addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-form]");
  if (!form) return;
  event.preventDefault();
  try {
    await jobs.forms[form.dataset.form](form, Object.fromEntries(new FormData(form)));
  } catch (error) {
    say(error.message, true);
  }
});

$("find").onsubmit = (event) => {
  event.preventDefault();
  const name = $("find-name").value.trim();
  const [, page, own] = name.match(/^(queue|job):(.+)$/) ?? [null, "entity", name];
  location.hash = `#/${page}/${encodeURIComponent(own)}`;
  $("find-name").value = "";
  $("main").focus();
};

addEventListener("hashchange", () => me && route());
showMe();
signIn();
