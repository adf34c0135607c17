// The form to post: a text, for whom, pictures that are uploaded while one writes, and whether it is a story.

import { element, icon } from "../element.js";
import { published, upload } from "./upload.js";
import { explain } from "./words.js";

const PICTURES_MAX = 10;

export class Composer {
  #page;
  #pictures = []; // {file, id, state: "on" | "ready" | "failed", node}
  #text = element("textarea", { id: "post-text", rows: "2", maxlength: "4000", placeholder: "What is new?" });
  #visibility = element("select", { id: "post-for" }, ...[["public", "Everybody"], ["followers", "Followers"], ["close", "Close friends"]].map(([value, words]) => element("option", { value }, words)));
  #story = element("input", { type: "checkbox", id: "post-story" });
  #shelf = element("ul", { class: "shelf", "aria-label": "Pictures" });
  #said = element("p", { class: "error", role: "alert" });
  #send = element("button", { class: "primary" }, "Post");
  #sending = false;

  constructor(page) {
    this.#page = page;
    const file = element("input", { type: "file", id: "post-pictures", accept: "image/*", multiple: true, class: "vh" });
    file.addEventListener("change", () => {
      for (const one of file.files) this.#add(one);
      file.value = "";
    });
    this.node = element(
      "form",
      { class: "composer", "aria-label": "New post" },
      element("label", { class: "vh", for: "post-text" }, "Text"),
      this.#text,
      this.#shelf,
      this.#said,
      element(
        "div",
        { class: "tools" },
        page.mediaBytesMax ? element("span", {}, file, element("label", { class: "icon", for: "post-pictures", title: "Add pictures" }, icon("picture"), element("span", { class: "vh" }, "Add pictures"))) : null,
        element("label", { class: "vh", for: "post-for" }, "For whom"),
        this.#visibility,
        element("label", { class: "check", for: "post-story" }, this.#story, "Story"),
        this.#send,
      ),
    );
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#post();
    });
    this.#text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.node.requestSubmit();
    });
    this.#text.addEventListener("input", () => {
      this.#text.style.height = "auto";
      this.#text.style.height = `${Math.min(this.#text.scrollHeight, 320)}px`;
      this.#draw();
    });
    this.#draw();
  }

  focus() {
    this.#text.focus();
  }

  #add(file) {
    if (this.#pictures.length >= PICTURES_MAX) return this.#page.say(`A post has at most ${PICTURES_MAX} pictures.`);
    const share = element("progress", { max: "1", value: "0", "aria-label": `Upload of ${file.name}` });
    const name = element("span", { class: "line" }, file.name);
    const picture = { id: null, state: "on", node: null };
    const gone = () => {
      this.#pictures = this.#pictures.filter((one) => one !== picture);
      this.#draw();
    };
    picture.node = element("li", {}, element("span", { class: "thumb" }), name, share, element("button", { type: "button", class: "icon small", "aria-label": `Remove ${file.name}`, onclick: gone }, icon("close")));
    this.#pictures.push(picture);
    this.#draw();
    this.#upload(file, picture, share, name);
  }

  async #upload(file, picture, share, name) {
    const { session, mediaBytesMax } = this.#page;
    try {
      if (file.size > mediaBytesMax) throw new Error("That picture is too large.");
      picture.id = await upload(file, { base: document.baseURI, headers: session.headers, told: (part) => share.setAttribute("value", String(part)) });
      share.removeAttribute("value"); // it is looked at, nobody knows for how long
      await published(session, picture.id);
      picture.state = "ready";
      picture.node.querySelector(".thumb").replaceChildren(element("img", { src: `media/${picture.id}/thumb`, alt: "" }));
    } catch (error) {
      picture.state = "failed";
      name.textContent = explain(error);
      name.className = "error";
    }
    share.remove();
    this.#draw();
  }

  #draw() {
    this.#shelf.replaceChildren(...this.#pictures.map(({ node }) => node));
    this.#shelf.hidden = !this.#pictures.length;
    const isSomething = this.#text.value.trim() || this.#pictures.some(({ state }) => state === "ready");
    this.#send.disabled = this.#sending || !isSomething || this.#pictures.some(({ state }) => state === "on");
  }

  async #post() {
    if (this.#send.disabled) return;
    const text = this.#text.value.trim();
    const media = this.#pictures.filter(({ state }) => state === "ready").map(({ id }) => id);
    const fields = { text, media, visibility: this.#visibility.value, is_story: this.#story.checked };
    this.#said.textContent = "";
    this.#sending = true;
    this.#draw();
    try {
      const { id } = await this.#page.session.own("feed", "post", fields);
      this.#text.value = "";
      this.#text.style.height = "auto";
      this.#pictures = [];
      this.#story.checked = false;
      this.#page.posted({ id, ...fields });
    } catch (error) {
      this.#said.textContent = explain(error);
    }
    this.#sending = false;
    this.#draw();
  }
}
