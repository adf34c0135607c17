// What a browser remembers for our pages. Storage may be refused (private windows), and then nothing is.

export const memory = {
  /** `store` is "localStorage" or, for one tab, "sessionStorage". */
  get(store, name) {
    try {
      return globalThis[store].getItem(`greenroom.${name}`);
    } catch {
      return null;
    }
  },
  set(store, name, value) {
    try {
      if (value === null) globalThis[store].removeItem(`greenroom.${name}`);
      else globalThis[store].setItem(`greenroom.${name}`, value);
    } catch {
      // not remembered
    }
  },
};
