// What a reader did with the posts that were shown: half of one on the screen for a second is seen, what stays longer
// is dwelt on. Told to the server in batches. `Signals` knows no clock, no DOM and no network; `watchSeen` is the rest.

const SEEN_MS = 1000;
const DWELT_MS = 3000;
const DWELT_MAX_MS = 3_600_000;
const BATCH_MAX = 200; // as many as the server takes at once
const BATCH_NEAR = 20; // with so many the next batch goes at once
const EVERY_MS = 5000;

export class Signals {
  #on = new Map(); // id -> {sinceMs, position}, what is on the screen
  #seen = new Set(); // told, or about to be
  #due = [];

  enter(id, position, nowMs) {
    if (!this.#on.has(id)) this.#on.set(id, { sinceMs: nowMs, position });
  }

  leave(id, nowMs) {
    const { sinceMs, position } = this.#on.get(id) ?? {};
    if (sinceMs === undefined) return;
    this.tick(nowMs);
    this.#on.delete(id);
    const ms = Math.min(DWELT_MAX_MS, Math.round(nowMs - sinceMs));
    if (ms >= DWELT_MS) this.#add({ post: id, did: "dwelt", ms, position });
  }

  /** Nothing is on the screen: another tab is, or the page goes. */
  leaveAll(nowMs) {
    for (const id of [...this.#on.keys()]) this.leave(id, nowMs);
  }

  clicked(id) {
    this.#add({ post: id, did: "clicked", position: this.#on.get(id)?.position ?? 0 });
  }

  hid(id) {
    this.#add({ post: id, did: "hid", position: this.#on.get(id)?.position ?? 0 });
  }

  /** At once: a story fills the screen. */
  saw(id, position = 0) {
    if (this.#seen.has(id)) return;
    this.#seen.add(id);
    this.#add({ post: id, did: "seen", position });
  }

  tick(nowMs) {
    for (const [id, { sinceMs, position }] of this.#on) if (nowMs - sinceMs >= SEEN_MS) this.saw(id, position);
  }

  get isNearlyFull() {
    return this.#due.length >= BATCH_NEAR;
  }

  /** What is to be told now; empty when there is nothing. */
  take() {
    return this.#due.splice(0, BATCH_MAX);
  }

  /** It could not be told: with the next. What is beyond a batch is nothing that anybody waits for. */
  back(signals) {
    this.#due = [...signals, ...this.#due].slice(0, BATCH_MAX);
  }

  #add(signal) {
    if (this.#due.length < 2 * BATCH_MAX) this.#due.push(signal);
  }
}

/**
 * Watch articles that have `data-post`: `watch(node)`, `unwatch(node)`, `stop()`. `send(signals)` tells the server; `shown(id, is)`
 * hears which are on the screen.
 */
export function watchSeen(signals, { send, shown = () => {} }) {
  const tell = async () => {
    const batch = signals.take();
    if (!batch.length) return;
    try {
      await send(batch);
    } catch {
      signals.back(batch);
    }
  };
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, intersectionRatio, intersectionRect, rootBounds } of entries) {
        const isOn = intersectionRatio >= 0.5 || intersectionRect.height >= (rootBounds?.height ?? innerHeight) / 2;
        const id = target.dataset.post;
        if (isOn) signals.enter(id, Number(target.getAttribute("aria-posinset") ?? 1) - 1, performance.now());
        else signals.leave(id, performance.now());
        shown(id, isOn);
      }
    },
    { threshold: [0, 0.1, 0.25, 0.5, 0.75] },
  );
  const timers = [
    setInterval(() => {
      signals.tick(performance.now());
      if (signals.isNearlyFull) tell();
    }, 500),
    setInterval(tell, EVERY_MS),
  ];
  const turned = () => {
    if (document.visibilityState === "visible") {
      for (const node of document.querySelectorAll("article[data-post]")) {
        observer.unobserve(node); // observed anew, it is reported anew
        observer.observe(node);
      }
    } else {
      signals.leaveAll(performance.now());
      tell();
    }
  };
  document.addEventListener("visibilitychange", turned);
  return {
    watch: (node) => observer.observe(node),
    unwatch(node) {
      observer.unobserve(node);
      signals.leave(node.dataset.post, performance.now());
      shown(node.dataset.post, false);
    },
    stop() {
      for (const timer of timers) clearInterval(timer);
      document.removeEventListener("visibilitychange", turned);
      observer.disconnect();
    },
  };
}
