// Elements from code. Text only ever becomes text nodes, so nothing a user wrote can become markup.

/** `element("p", {class: "hint", onclick}, "text", child)`; null and false children are left out. */
export function element(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export function avatar(user, person) {
  const node = element("span", { class: "avatar", "aria-hidden": "true" });
  paintAvatar(node, user, person);
  return node;
}

/** Initials on a colour that is always the same for the same user; before them the picture, a media id, if it is there. */
export function paintAvatar(node, user, { name = user, picture = "" } = {}) {
  let hash = 0;
  for (const char of user) hash = (hash * 31 + char.codePointAt(0)) | 0;
  const words = name.split(/[\s._-]+/).filter(Boolean);
  const initials = words.length > 1 ? [words[0], words[1]].map((word) => [...word][0]) : [...name].slice(0, 2);
  node.style.setProperty("--hue", String((((hash % 360) + 360) * 7) % 360));
  node.textContent = initials.join("").toUpperCase();
  if (picture) node.append(element("img", { src: `media/${encodeURIComponent(picture)}/thumb`, alt: "", onerror: (event) => event.target.remove() }));
}

const LINK = /https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]}]/g;

/** A user's text with its http(s) links clickable. */
export function richText(text) {
  const bare = text.trim();
  const node = element("span", { class: /^(?:\p{Extended_Pictographic}[\u200d\ufe0f\u{1f3fb}-\u{1f3ff}]*){1,3}$/u.test(bare) ? "text big" : "text" });
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    node.append(text.slice(from, match.index));
    node.append(element("a", { href: match[0], target: "_blank", rel: "noopener noreferrer nofollow" }, match[0]));
    from = match.index + match[0].length;
  }
  node.append(text.slice(from));
  return node;
}
