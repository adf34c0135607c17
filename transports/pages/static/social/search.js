// Search: people, posts and tags, in one field.

import { element, icon } from "../element.js";
import { personAddress, portrait, tagAddress } from "./card.js";
import { PostList } from "./list.js";
import { explain } from "./words.js";

const CALM_MS = 250; // after the last key

/** The page of search; `words` may be empty. */
export function searchScreen(page, words) {
  const input = element("input", { id: "find", type: "search", maxlength: "200", value: words, placeholder: "People, posts, #tags", autocapitalize: "none", enterkeyhint: "search" });
  const form = element("form", { class: "find", role: "search", autocomplete: "off" }, icon("find"), element("label", { class: "vh", for: "find" }, "Search people, posts and tags"), input);
  const found = element("div", { class: "found" });
  let list = null;
  let timer = 0;
  const show = (text) => {
    clearTimeout(timer);
    list?.leave();
    list = null;
    history.replaceState({}, "", text ? `#/search/${encodeURIComponent(text)}` : "#/search");
    if (!text) return found.replaceChildren(element("p", { class: "hint" }, "Words of a post, a name, or a #tag."));
    const tag = /^#[\p{L}\p{N}_]+$/u.test(text) ? text.slice(1) : null;
    const people = element("ul", { class: "people", "aria-label": "People" });
    list = new PostList(page, {
      label: tag ? `Posts under ${text}` : "Posts",
      fetch: (asked) => page.session.ask(`feed:${page.session.user}`, tag ? "tagged" : "search", { ...(tag ? { tag } : { words: text }), ...asked }),
      empty: "No posts found.",
    });
    screen.list = list;
    found.replaceChildren(tag ? element("p", { class: "hint" }, element("a", { href: tagAddress(tag) }, `All of #${tag}`)) : people, list.node);
    list.begin();
    if (!tag) drawPeople(page, people, text);
  };
  const screen = { title: "Search", node: element("section", { class: "screen" }, element("h1", { class: "vh" }, "Search"), form, found), list: null, focus: () => input.focus(), leave: () => (clearTimeout(timer), list?.leave()) };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    show(input.value.trim());
  });
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => show(input.value.trim()), CALM_MS);
  });
  show(words);
  return screen;
}

async function drawPeople(page, list, text) {
  try {
    const { rows } = await page.session.rows("people", "all", { search: text, limit: 10 });
    list.replaceChildren(
      ...rows.map((person) =>
        element("li", {}, element("a", { href: personAddress(person.user) }, portrait(person), element("span", {}, element("b", { dir: "auto" }, person.name || person.user), element("span", { class: "line" }, `@${person.user}${person.bio ? ` · ${person.bio}` : ""}`)))),
      ),
    );
  } catch (error) {
    list.replaceChildren(element("li", { class: "error" }, explain(error)));
  }
}
