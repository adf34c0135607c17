// What the page says: errors, times, and the parts of a text. No DOM.

// By the names of the rules; of others the server's own words are good enough.
const EXPLAINED = {
  "feed.no_such_post": "That post is gone, or not for you.",
  "post.not_found": "That post is gone, or not for you.",
  "feed.empty_post": "Write something, or add a picture.",
  "feed.text_refused": "A rule of this server forbids that text.",
  "post.against_the_rules": "A rule of this server forbids that text.",
  "thread.against_the_rules": "A rule of this server forbids that text.",
  "feed.not_to_be_shared": "That is not for everybody, so it can’t be shared.",
  "feed.posts_often": "You post very often. Wait a while.",
  "feed.bad_cursor": "That was a while ago.",
  "feed.cursor_expired": "That was a while ago.",
  "follows.blocked": "You have blocked them.",
  "follows.oneself": "That is you.",
  "follows.closed": "That list is not open to you.",
  "thread.empty": "Write something.",
  "permission denied": "You are not allowed to do that here.",
  overloaded: "The server is very busy. Try again in a moment.",
  unavailable: "The server is not available right now.",
  outcome_unknown: "The server lost track of it.",
  timeout: "The server did not answer in time.",
  "Failed to fetch": "The server can’t be reached.",
};

/** An error in words. */
export function explain(error) {
  const text = error?.message ?? error?.reason ?? "";
  const name = Object.keys(EXPLAINED).find((known) => text === known || text.startsWith(`${known}:`));
  if (name) return EXPLAINED[name];
  const said = text.replace(/^[a-z_]+(\.[a-z_]+)+(: |$)/, "");
  return said ? `${said[0].toUpperCase()}${said.slice(1)}${/[.!?]$/.test(said) ? "" : "."}` : "Something went wrong.";
}

/** Is a list too old to go on? Then it begins anew. */
export const isExpired = (error) => /^feed\.(cursor_expired|bad_cursor)\b/.test(error?.message ?? "");

/** "now", "5 min", "3 h", "6 d", then the date. */
export function ago(atMs, nowMs = Date.now()) {
  const seconds = Math.max(0, (nowMs - atMs) / 1000);
  if (seconds < 60) return "now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  if (seconds < 7 * 86_400) return `${Math.floor(seconds / 86_400)} d`;
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium" }).format(atMs);
}

const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });

export const short = (count) => compact.format(count);

export const many = (count, one, more = `${one}s`) => `${short(count)} ${count === 1 ? one : more}`;

const PARTS =
  /(?<href>https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]}])|(?<![\p{L}\p{N}_#&/])#(?<tag>[\p{L}\p{N}_]{1,100})(?![\p{L}\p{N}_])|(?<![\p{L}\p{N}_@])@(?<user>[^\s@]{1,64})(?![^\s@])/gu;

/** A text in parts: `{text}`, and with it `href`, `tag` or `user` of what it leads to. As the server finds them. */
export function partsOf(text) {
  const parts = [];
  let from = 0;
  for (const { 0: all, index, groups } of text.matchAll(PARTS)) {
    const { href, tag } = groups;
    const user = groups.user?.replace(/[.,:;!?…'"“”’)\]}>]+$/u, "");
    if ((!href && !user && !tag) || (tag && /^\p{Nd}+$/u.test(tag))) continue;
    const shown = user ? `@${user}` : all;
    if (index > from) parts.push({ text: text.slice(from, index) });
    parts.push({ text: shown, ...(href ? { href } : tag ? { tag: tag.toLowerCase() } : { user }) });
    from = index + shown.length;
  }
  if (from < text.length) parts.push({ text: text.slice(from) });
  return parts;
}
