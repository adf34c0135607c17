// People: the sheet about one, their page, and one's own profile. What one may do with somebody is in one place,
// `buttons`, for both.

import { confirmed } from "../dialogs.js";
import { element, icon } from "../element.js";
import { personAddress, portrait, spoken } from "./card.js";
import { PostList } from "./list.js";
import { published, upload } from "./upload.js";
import { explain, many, short } from "./words.js";

/** What is known of somebody: `{user, name, bio, avatar, followers, following, private, relation}`. */
async function look(page, user) {
  const { session } = page;
  const [profile, { rows }, relation] = await Promise.all([
    session.view("profile", user),
    session.rows("authors", user).catch(() => ({ rows: [] })),
    user === session.user ? null : session.ask(`follows:${session.user}`, "relate", { user }),
  ]);
  const { followers = 0, following = 0, private: isPrivate = false } = rows[0] ?? {};
  return { user, ...profile, followers, following, private: isPrivate, relation };
}

function about(person) {
  return element(
    "div",
    { class: "person" },
    portrait(person, "avatar large"),
    element("h2", { id: "sheet-title", dir: "auto" }, person.name || person.user),
    element("p", { class: "id" }, `@${person.user}`, person.private && " · private account", person.relation?.follows_back && " · follows you"),
    person.bio && spoken(person.bio, "bio"),
    element("p", { class: "figures" }, element("span", {}, many(person.followers, "follower")), element("span", {}, `${short(person.following)} following`)),
  );
}

/** What may be done with somebody. `changed()` is called when something was. */
function buttons(page, person, changed) {
  const { user, relation } = person;
  const doing = (command, fields = {}) => async () => {
    await page.attempt(() => page.session.own("follows", command, { user, ...fields }));
    changed();
  };
  const button = (words, className, onclick, pressed) => element("button", { type: "button", class: className, onclick, "aria-pressed": pressed === undefined ? null : String(pressed) }, words);
  if (relation.blocked) return [button("Unblock", "quiet", doing("unblock"))];
  const follow = { none: ["Follow", "primary", "follow"], asked: ["Requested", "quiet", "unfollow"], following: ["Following", "quiet", "unfollow"] }[relation.standing];
  const block = async () => {
    if (await confirmed(`Neither of you will see what the other posts, and neither follows the other any more.`, { title: `Block ${person.name || user}?`, yes: "Block", no: "Cancel" })) await doing("block")();
  };
  return [
    button(follow[0], follow[1], doing(follow[2]), relation.standing !== "none"),
    button(relation.muted ? "Muted" : "Mute", "quiet", doing(relation.muted ? "unmute" : "mute"), relation.muted),
    button("Close friend", "quiet", doing("set_close", { close: !relation.close }), relation.close),
    relation.follows_back && button("Remove follower", "quiet", doing("remove")),
    button("Block", "quiet bad", block),
  ].filter(Boolean);
}

/** The sheet about somebody. */
export function showPerson(page, user) {
  const sheet = document.getElementById("sheet");
  const close = element("button", { type: "button", class: "icon sheet-close", "aria-label": "Close", onclick: () => sheet.close() }, icon("close"));
  const draw = async () => {
    try {
      const person = await look(page, user);
      const link = element("a", { class: "button quiet", href: personAddress(user), onclick: () => sheet.close() }, "See posts");
      const own = user === page.session.user;
      sheet.replaceChildren(close, about(person), element("div", { class: "actions" }, ...(own ? [] : buttons(page, person, draw)), link));
    } catch (error) {
      sheet.replaceChildren(close, element("h2", { id: "sheet-title" }, user), element("p", { class: "error", role: "alert" }, explain(error)));
    }
  };
  sheet.replaceChildren(close, element("h2", { id: "sheet-title" }, user));
  sheet.showModal();
  sheet.addEventListener("close", whenChanged(page, user, draw), { once: true });
  draw();
}

/** Draw when somebody stands to us otherwise, as when a follow that was asked for begins. Gives what ends it. */
function whenChanged(page, user, draw) {
  const hear = ({ detail }) => Object.values(detail).includes(user) && draw();
  page.addEventListener("follows", hear);
  return () => page.removeEventListener("follows", hear);
}

/** The page of somebody: who they are, and what they have posted. */
export function personScreen(page, user) {
  const own = user === page.session.user;
  const head = element("div", { class: "screen-card", "aria-live": "polite" }, element("h1", {}, user));
  const list = new PostList(page, {
    label: `Posts by ${user}`,
    fetch: (asked) => page.session.ask(`feed:${page.session.user}`, "of", { author: user, ...asked }),
    empty: "Nothing to see here.",
  });
  const draw = async () => {
    try {
      const person = await look(page, user);
      const actions = own ? [element("button", { type: "button", class: "quiet", onclick: () => editProfile(page, draw) }, "Edit profile")] : buttons(page, person, () => (draw(), list.begin()));
      const parts = about(person);
      const title = element("h1", { dir: "auto" }, person.name || user);
      parts.querySelector("h2").replaceWith(title);
      head.replaceChildren(parts, element("div", { class: "actions" }, ...actions));
    } catch (error) {
      head.replaceChildren(element("h1", {}, user), element("p", { class: "error", role: "alert" }, explain(error)));
    }
  };
  const end = whenChanged(page, user, draw);
  draw();
  list.begin();
  return { title: user, node: element("section", { class: "screen" }, head, list.node), list, leave: () => (end(), list.leave()) };
}

async function editProfile(page, changed) {
  const sheet = document.getElementById("sheet");
  const { session } = page;
  let mine;
  let isPrivate;
  try {
    [mine, { private: isPrivate }] = await Promise.all([session.ask(`profile:${session.user}`, "mine"), session.view("follows", session.user)]);
  } catch (error) {
    return page.say(explain(error));
  }
  let avatar = null; // none but what it was
  const said = element("p", { class: "error", role: "alert" });
  const field = (id, words, node) => [element("label", { for: id }, words), node];
  const name = element("input", { id: "profile-name", maxlength: "50", autocomplete: "nickname", value: mine.name });
  const bio = element("textarea", { id: "profile-bio", maxlength: "500", rows: "3" }, mine.bio);
  const closed = element("input", { id: "profile-private", type: "checkbox", checked: isPrivate });
  const face = element("span", {}, portrait({ user: session.user, ...mine }, "avatar large"));
  const picture = element("input", { id: "profile-picture", type: "file", accept: "image/*" });
  picture.addEventListener("change", async () => {
    const [file] = picture.files;
    if (!file) return;
    said.textContent = "";
    save.disabled = true;
    try {
      avatar = await upload(file, { base: document.baseURI, headers: session.headers });
      await published(session, avatar);
      face.replaceChildren(portrait({ user: session.user, avatar }, "avatar large"));
    } catch (error) {
      avatar = null;
      said.textContent = explain(error);
    }
    save.disabled = false;
  });
  const save = element("button", { class: "primary" }, "Save");
  const form = element(
    "form",
    { class: "profile" },
    element("h2", { id: "sheet-title" }, "Edit profile"),
    face,
    ...(page.mediaBytesMax ? field("profile-picture", "Picture", picture) : []),
    ...field("profile-name", "Name", name),
    ...field("profile-bio", "About you", bio),
    element("label", { class: "check" }, closed, "Ask me before anybody follows"),
    said,
    element("div", { class: "actions" }, element("button", { type: "button", class: "quiet", onclick: () => sheet.close() }, "Cancel"), save),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    said.textContent = "";
    try {
      await session.own("profile", "set", { name: name.value.trim(), bio: bio.value.trim(), ...(avatar ? { avatar } : {}) });
      if (closed.checked !== isPrivate) await session.own("follows", "set_private", { private: closed.checked });
      sheet.close();
      page.profileChanged();
      changed();
    } catch (error) {
      said.textContent = explain(error);
    }
  });
  sheet.replaceChildren(form);
  sheet.showModal();
}
