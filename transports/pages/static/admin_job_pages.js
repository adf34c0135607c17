// What the pages of jobs read, and what their buttons and forms do. What they show is admin_jobs.js.

import { read } from "./admin_live.js";
import * as shows from "./admin_jobs.js";
import { confirmed } from "./dialogs.js";

const LIST = 50;
const LIST_EVERY_MS = 3000;
const SAID_MS = 4000; // what a button has done stays to be read for so long
const asked = new Map(); // queue -> the filters that were given last

/** `page`: the pages' common ground: who(), me(), visit(), say(), paint(), watch(path, shown), later(ms, do). */
export function jobPages(page) {
  let saidUntil = 0;
  let open = null; // {kind, name, shown, list, limiting, editing}

  const post = (path, body) => read(page.who(), `admin/api/${path}`, { body });
  const filtersOf = (queue) => asked.get(queue) ?? {};

  function paint() {
    if (!open?.shown) return;
    const about = { isAdmin: page.me().is_admin, now: Date.now() };
    if (open.kind === "jobs") page.paint(shows.queues(open.shown));
    else if (open.kind === "queue") page.paint(shows.queue(open.shown, { ...about, list: open.list, asked: filtersOf(open.name), limiting: open.limiting }));
    else if (open.kind === "job") page.paint(shows.job(open.shown, { ...about, editing: open.editing }));
    else page.paint(shows.saga(open.shown, about));
  }

  function watch(kind, name, path) {
    open = { kind, name, shown: null, list: null, limiting: null, editing: null };
    const mine = open;
    page.watch(path, (shown) => {
      if (mine !== open) return;
      open.shown = shown;
      paint();
      if (Date.now() > saidUntil) page.say(shown.trouble ? shown.trouble : "Live", Boolean(shown.trouble));
    });
  }

  /** Again and again, the newest ones; others once. */
  async function readList(after) {
    const mine = open;
    try {
      const found = await read(page.who(), `admin/api/jobs?${shows.listQuery(open.name, filtersOf(open.name), after, LIST)}`);
      if (mine !== open) return;
      open.list = { ...found, after };
      paint();
    } catch (error) {
      if (mine !== open) return;
      page.say(`Not read: ${error.message}`, true);
    }
    if (!after) page.later(LIST_EVERY_MS, () => mine === open && !open.list?.after && readList());
  }

  function done(text) {
    saidUntil = Date.now() + SAID_MS;
    page.say(text);
  }

  async function meant({ title, yes, no = "Leave it", about }, name) {
    return confirmed(about(name), { title, yes, no });
  }

  return {
    leave() {
      open = null;
      saidUntil = 0;
    },
    routes: {
      jobs: () => watch("jobs", "", "admin/live?show=queues"),
      queue(name) {
        watch("queue", name, `admin/live?queue=${encodeURIComponent(name)}`);
        readList();
      },
      job: (id) => watch("job", id, `admin/live?job=${encodeURIComponent(id)}`),
      saga: (name) => watch("saga", name, `admin/live?saga=${encodeURIComponent(name)}`),
    },
    actions: {
      async "queue-step"(button) {
        const { step, name } = button.dataset;
        if (!(await meant(shows.STEERED[step], name))) return;
        await post(`queues/${step}`, { queue: name });
        done(step === "pause" ? `${name} is paused.` : `${name} goes on.`);
      },
      async "job-step"(button) {
        const { step, name } = button.dataset;
        if (!(await meant(shows.STEERED[step], `${open.shown.job} ${name}`))) return;
        const answer = await post(`jobs/${step}`, { id: name });
        if (step === "drop") return done(answer.dropped ? "It is forgotten." : "It was gone.");
        done(step === "retry" ? "It is due now." : answer.state === "cancelled" ? "It is cancelled." : "Its worker is told to end it.");
      },
      async "saga-step"(button) {
        const { step, name } = button.dataset;
        if (!(await meant(shows.SAGA_STEPS[step], name))) return;
        await post("sagas/steer", { saga: name, step });
        done(`${name} was told to ${step}.`);
      },
      limit() {
        open.limiting = open.limiting ? null : open.shown.limits; // what was shown, whatever others set meanwhile
        paint();
      },
      edit() {
        const { arguments: given, priority } = open.shown;
        open.editing = open.editing ? null : { shown: given, priority };
        paint();
      },
      "more-jobs": (button) => readList(button.dataset.after),
      "first-jobs": () => readList(),
    },
    forms: {
      filter(form, given) {
        asked.set(form.dataset.name, given);
        open.list = null;
        paint();
        return readList();
      },
      async limit(form, given) {
        const change = shows.limited(given, open.limiting);
        const changed = Object.keys(change).length > 0;
        if (changed) await post("queues/limit", { queue: form.dataset.name, limits: change });
        open.limiting = null;
        done(changed ? "The limits are set." : "Nothing was changed.");
        paint();
      },
      async edit(form, given) {
        const change = shows.edited(given, open.editing);
        if (Object.keys(change).length) await post("jobs/edit", { id: form.dataset.name, ...change });
        open.editing = null;
        done(Object.keys(change).length ? "It is saved." : "Nothing was changed.");
        paint();
      },
    },
  };
}
