// What a room looks like from here: a view, then publications, applied in order. No network, no DOM.
//
// Older messages are found by walking the room's history backwards. A message's edits and reactions come after it, so
// the walk begins at the top and remembers changes to messages it has not met yet ("amendments"); when it meets the
// message, they are applied in order.

const MESSAGES_MAX = 800; // kept; beyond it the oldest go, and scrolling up fetches them again
const MESSAGES_KEPT = 500;
const TYPING_MS = 5000;

export class Room {
  constructor(key) {
    this.key = key;
    this.reset();
  }

  reset() {
    this.title = "";
    this.open = true;
    this.slowModeS = 0;
    this.pinned = null; // {offset, author, text}
    this.members = new Map(); // user -> {role, read}
    this.memberCount = 0;
    this.entries = new Map(); // offset -> message or notice
    this.typing = new Map(); // user -> until, ms
    this.cursor = Infinity; // history before this offset has not been walked
    this.complete = false; // the walk has reached the beginning
    this.oldest = Infinity; // offset of the oldest message shown
    this.amendments = new Map(); // offset -> [{offset, data}]
  }

  /** In order, oldest first. */
  list() {
    return [...this.entries.values()].sort((a, b) => a.offset - b.offset);
  }

  lastMessage() {
    let last = null;
    for (const entry of this.entries.values()) if (entry.kind === "message" && entry.offset > (last?.offset ?? 0)) last = entry;
    return last;
  }

  /** A fresh view: everything known before is gone. */
  applyView(view = {}) {
    this.reset();
    this.title = view.title ?? "";
    this.open = view.open !== false;
    this.slowModeS = view.slow_mode_s ?? 0;
    this.pinned = view.pinned ?? null;
    for (const { user, role, read } of view.members ?? []) this.members.set(user, { role, read: read ?? 0 });
    this.memberCount = view.member_count ?? this.members.size;
    for (const message of view.messages ?? []) {
      this.entries.set(message.offset, {
        kind: "message",
        offset: message.offset,
        author: message.author,
        text: message.text ?? "",
        atMs: message.at_ms,
        edited: Boolean(message.edited),
        deleted: Boolean(message.deleted),
        replyTo: message.reply_to ?? null,
        reactions: new Map(Object.entries(message.reactions ?? {}).map(([emoji, users]) => [emoji, new Set(users)])),
        clientId: message.client_id ?? null,
      });
      this.oldest = Math.min(this.oldest, message.offset);
    }
  }

  /** One live or recovered publication. Returns the entry it made, if any. */
  applyPublication({ offset, data, time }, nowMs = Date.now()) {
    if (!data?.type) return null;
    if (!offset) {
      if (data.type === "room.typing") this.typing.set(data.user, nowMs + TYPING_MS);
      return null;
    }
    this.#applyMembership(data);
    if (data.type === "room.message") this.typing.delete(data.author);
    const entry = entryOf(offset, data, time ?? nowMs);
    if (entry) {
      this.entries.set(offset, entry);
      this.oldest = Math.min(this.oldest, offset);
      this.#trim();
    } else {
      this.#amend(offset, data);
    }
    return entry;
  }

  /** A page of history, newest first. Returns how many entries it added. */
  applyHistory(publications, limit) {
    let added = 0;
    const floor = this.oldest; // what lies above is in the view already
    for (const { offset, data, time } of publications) {
      this.cursor = Math.min(this.cursor, offset);
      const entry = data?.type ? entryOf(offset, data, time ?? 0) : null;
      if (!entry) {
        if (data?.type) this.#amend(offset, data, floor);
      } else if (offset < floor && !this.entries.has(offset)) {
        for (const late of (this.amendments.get(offset) ?? []).sort((a, b) => a.offset - b.offset)) change(entry, late.data);
        this.amendments.delete(offset);
        this.entries.set(offset, entry);
        this.oldest = Math.min(this.oldest, offset);
        added++;
      }
    }
    if (publications.length < limit || this.cursor <= 1) this.complete = true;
    return added;
  }

  typists(nowMs = Date.now()) {
    for (const [user, until] of this.typing) if (until <= nowMs) this.typing.delete(user);
    return [...this.typing.keys()];
  }

  #applyMembership(data) {
    const { type, user } = data;
    if (type === "room.joined" && !this.members.has(user)) {
      this.members.set(user, { role: data.role ?? "member", read: 0 });
      this.memberCount++;
    } else if (type === "room.joined") {
      this.members.get(user).role = data.role ?? this.members.get(user).role;
    } else if ((type === "room.left" || type === "room.banned") && this.members.delete(user)) {
      this.memberCount--;
    } else if (type === "room.read" && this.members.has(user)) {
      const member = this.members.get(user);
      member.read = Math.max(member.read, data.message);
    } else if (type === "room.role" && this.members.has(user)) {
      this.members.get(user).role = data.role;
    } else if (type === "room.changed") {
      if (data.pinned != null) this.pinned = data.pinned ? this.#snippet(data.pinned) : null;
      if (data.title != null) this.title = data.title;
      if (data.open != null) this.open = data.open;
      if (data.slow_mode_s != null) this.slowModeS = data.slow_mode_s;
    }
  }

  #snippet(offset) {
    const { author = "", text = "An earlier message" } = this.entries.get(offset) ?? {};
    return { offset, author, text };
  }

  /** `floor`: while walking history, changes to what the view showed are in the view already. */
  #amend(offset, data, floor = Infinity) {
    const target = data.message;
    if (typeof target !== "number") return;
    if (floor === Infinity && this.pinned?.offset === target) {
      if (data.type === "room.edited") this.pinned = { ...this.pinned, text: data.text };
      else if (data.type === "room.deleted") this.pinned = null;
    }
    const entry = this.entries.get(target);
    if (entry && floor === Infinity) change(entry, data);
    else if (!entry && target < Math.min(floor, this.oldest)) {
      const list = this.amendments.get(target) ?? [];
      if (!list.some((known) => known.offset === offset)) list.push({ offset, data });
      this.amendments.set(target, list);
    }
  }

  #trim() {
    if (this.entries.size <= MESSAGES_MAX) return;
    for (const { offset } of this.list().slice(0, this.entries.size - MESSAGES_KEPT)) this.entries.delete(offset);
    this.oldest = Math.min(...this.entries.keys());
    this.cursor = Infinity; // the walk starts over: amendments to what was trimmed lie above it
    this.complete = false;
    this.amendments.clear();
  }
}

function entryOf(offset, data, atMs) {
  if (data.type === "room.message") {
    return {
      kind: "message",
      offset,
      author: data.author,
      text: data.text ?? "",
      atMs,
      edited: false,
      deleted: false,
      replyTo: data.reply_to ?? null,
      reactions: new Map(),
      clientId: data.client_id ?? null,
    };
  }
  const text = noticeOf(data);
  const joined = data.type === "room.joined" ? data.user : null;
  return text ? { kind: "notice", offset, atMs, text, joined, data } : null;
}

/** What an event that is no message says, if anything. `called(user)`: what somebody is called. */
export function noticeOf(data, called = (user) => user) {
  const { type } = data;
  const user = data.user && called(data.user);
  const by = data.by && called(data.by);
  switch (type) {
    case "room.joined":
      return `${user} joined`;
    case "room.left":
      return `${user} left`;
    case "room.invited":
      return `${by} invited ${user}`;
    case "room.gift":
      return `${user} sent ${data.count > 1 ? `${data.count} × ` : ""}${data.item}`;
    case "room.muted":
      return `${by} muted ${user}`;
    case "room.unmuted":
      return by ? `${by} unmuted ${user}` : `${user} may speak again`;
    case "room.banned":
      return `${by} removed ${user} from the room`;
    case "room.unbanned":
      return by ? `${by} let ${user} back in` : `${user} may come back`;
    case "room.role":
      return data.role === "member" ? `${user} is a member again` : `${user} is now ${data.role === "owner" ? "the owner" : "a moderator"}`;
    case "room.changed":
      if (data.title != null) return `The room is now called “${data.title}”`;
      if (data.open != null) return data.open ? "The room is now open to everyone" : "The room is now by invitation";
      if (data.slow_mode_s != null) return data.slow_mode_s ? `Slow mode: one message every ${data.slow_mode_s} s` : "Slow mode is off";
      if (data.pinned != null) return data.pinned ? `${by} pinned a message` : null;
      return null;
    default:
      return null;
  }
}

function change(entry, data) {
  if (entry.kind !== "message") return;
  switch (data.type) {
    case "room.edited":
      entry.text = data.text;
      entry.edited = true;
      break;
    case "room.deleted":
      entry.deleted = true;
      entry.text = "";
      entry.reactions.clear();
      break;
    case "room.reacted":
      if (!entry.reactions.has(data.emoji)) entry.reactions.set(data.emoji, new Set());
      entry.reactions.get(data.emoji).add(data.user);
      break;
    case "room.unreacted":
      entry.reactions.get(data.emoji)?.delete(data.user);
      if (!entry.reactions.get(data.emoji)?.size) entry.reactions.delete(data.emoji);
      break;
  }
}
