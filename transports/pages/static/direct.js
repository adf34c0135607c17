// Direct conversations: the key that names two users, and back. As `direct_key` of the server has it, for a key that
// differs in one byte is another room, or none.

const quote = (user) => user.replaceAll("%", "%25").replaceAll("+", "%2B");
const unquote = (half) => half.replaceAll("%2B", "+").replaceAll("%25", "%");

/** By code points, as UTF-8 and the server sort; JavaScript's own order is that of UTF-16, where an emoji comes first. */
function compare(one, other) {
  const [a, b] = [[...one], [...other]];
  const at = a.findIndex((letter, i) => letter !== b[i]);
  if (at < 0) return a.length - b.length;
  return at < b.length ? a[at].codePointAt(0) - b[at].codePointAt(0) : 1;
}

/** `@ann+bob` for two user ids in either order. */
export function directKey(one, other) {
  return `@${[one, other].sort(compare).map(quote).join("+")}`;
}

/** The other one of a direct conversation of `me`; null for any other room. */
export function partnerIn(key, me) {
  const [, ...halves] = key.match(/^@([^+]+)\+([^+]+)$/) ?? [];
  const pair = halves.map(unquote);
  return pair.length === 2 && pair.includes(me) ? pair.find((user) => user !== me) ?? me : null;
}
