// Bring what is on the page up to what it should be, touching only what differs: whoever reads, selects or tabs through
// it is not disturbed each second.

const KEPT = new Set(["open", "aria-busy"]); // attributes that belong to whoever looks

/** Make the children of `parent` like `fresh`, an array of nodes. Those with a `data-key` are found by it. */
export function morphChildren(parent, fresh) {
  const keyed = new Map([...parent.childNodes].filter(keyOf).map((node) => [keyOf(node), node]));
  let at = parent.firstChild; // what has not had its turn begins here
  for (const next of fresh) {
    const key = keyOf(next);
    const found = key ? keyed.get(key) : at && !keyOf(at) ? at : null;
    keyed.delete(key);
    if (!found || !isSame(found, next)) {
      parent.insertBefore(next, at);
      continue;
    }
    if (found === at) at = at.nextSibling;
    else parent.insertBefore(found, at);
    morph(found, next);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

const keyOf = (node) => node.dataset?.key ?? "";

const isSame = (now, next) => now.nodeType === next.nodeType && now.nodeName === next.nodeName && keyOf(now) === keyOf(next);

function morph(now, next) {
  if (now.nodeType === Node.TEXT_NODE) {
    if (now.data !== next.data) now.data = next.data;
    return;
  }
  for (const { name } of [...now.attributes]) if (!next.hasAttribute(name) && !KEPT.has(name)) now.removeAttribute(name);
  for (const { name, value } of next.attributes) if (now.getAttribute(name) !== value && !KEPT.has(name)) now.setAttribute(name, value);
  morphChildren(now, [...next.childNodes]);
}
