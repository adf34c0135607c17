// What the buttons of a post do. One listener for all of them: cards say in `data-act` what is wanted.

import { confirmed } from "../dialogs.js";
import { openComments } from "./comments.js";
import { showPerson } from "./people.js";
import { explain } from "./words.js";

/** Listen on `root`. `pageOf()`: of whoever is signed in then, see social.js. */
export function actOn(root, pageOf) {
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-act]");
    const card = event.target.closest("[data-post]");
    if (!button || button.tagName === "FORM") return;
    if (button.dataset.act === "person") return showPerson(pageOf(), button.dataset.user);
    if (card) act(pageOf(), button.dataset.act, card, button);
  });
  root.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-act=save]");
    if (!form) return;
    event.preventDefault();
    save(pageOf(), form);
  });
}

export async function act(page, what, card, button = null) {
  const id = card.dataset.post;
  const post = page.posts.get(id);
  if (!post || post.gone) return;
  switch (what) {
    case "open":
      return page.signals.clicked(id);
    case "like":
      return react(page, id, post.mine ? "" : "like");
    case "react":
      page.toggle(id, "picking", false);
      return react(page, id, button.dataset.reaction === post.mine ? "" : button.dataset.reaction);
    case "pick":
      return page.toggle(id, "picking");
    case "menu":
      return page.toggle(id, "menu");
    case "edit":
      page.toggle(id, "menu", false);
      page.toggle(id, "editing");
      return card.querySelector(".editor textarea")?.focus();
    case "talk":
      page.signals.clicked(id);
      return openComments(page, card);
    case "share":
      return share(page, id, post);
    case "hide":
      page.signals.hid(id);
      page.toggle(id, "menu", false);
      page.list?.remove(id);
      return page.say("You will see less like this.");
    case "delete":
      if (await confirmed(post.text || "This post", { title: "Delete this post?", yes: "Delete" })) {
        await page.attempt(async () => {
          await page.session.act(`post:${id}`, "delete");
          page.posts.gone(id);
        });
      }
      return;
    case "report":
      if (await confirmed(post.text || "This post", { title: "Report this post?", yes: "Report", no: "Cancel" })) {
        page.toggle(id, "menu", false);
        await page.attempt(async () => {
          await page.session.act(`case:${id}`, "report", { reason: "other" });
          page.say("Thank you. A moderator will look at it.");
        });
      }
  }
}

export async function react(page, id, reaction) {
  const send = (wanted) => (wanted ? page.session.act(`post:${id}`, "react", { reaction: wanted }) : page.session.act(`post:${id}`, "unreact"));
  try {
    await page.posts.react(id, reaction, send);
  } catch (error) {
    page.say(explain(error));
  }
}

async function share(page, id, post) {
  if (!(await confirmed(post.text || "This post", { title: "Share this post?", yes: "Share", no: "Cancel" }))) return;
  await page.attempt(async () => {
    const shared = post.share_of && !post.text ? post.share_of : id;
    const { id: made } = await page.session.own("feed", "post", { share_of: shared });
    page.posted({ id: made, share_of: shared, shared: page.posts.get(shared) ?? post.shared });
    page.say("Shared.");
  });
}

async function save(page, form) {
  const id = form.closest("[data-post]").dataset.post;
  const text = form.querySelector("textarea").value.trim();
  await page.attempt(async () => {
    await page.session.act(`post:${id}`, "edit", { text });
    page.posts.change(id, { text, edited_ms: Date.now() });
    page.toggle(id, "editing", false);
  });
}
