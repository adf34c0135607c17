// The dialogs that our pages share: who is there (templates/sign_in.html), and whether something is really meant.

import { memory } from "./memory.js";

export const NAME = /^[\p{L}\p{N}_.-][\p{L}\p{N}_. -]{0,31}$/u;

const $ = (id) => document.getElementById(id);

/** Whose a token says that it is; null for what is none. */
export function userOfToken(text) {
  try {
    const part = text.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(part), (char) => char.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)).sub ?? ""; // for display: the server checks the signature
  } catch {
    return null;
  }
}

/**
 * Ask for a token, or for a name where that is enough (`local`), and remember it. `isToken(text)`: does it look like one?
 * `shown(byToken)` hears which way is taken; `entered({token, name})` what was given, one of them null.
 */
export function askWho({ local, token, name, error = "", mayCancel, isToken, shown = () => {}, entered }) {
  const dialog = $("welcome");
  let byToken = !local || Boolean(token);
  const show = () => {
    $("name-field").hidden = byToken;
    $("token-field").hidden = !byToken;
    $("other-way").hidden = !local;
    $("other-way").textContent = byToken ? "Use a name instead" : "Use an access token instead";
    shown(byToken);
  };
  const say = (text, field) => {
    $("welcome-error").textContent = text;
    $(field).focus();
  };
  show();
  $("name").value = name ?? "";
  $("welcome-error").textContent = error;
  $("welcome-cancel").hidden = !mayCancel;
  $("other-way").onclick = () => {
    byToken = !byToken;
    show();
    $(byToken ? "token" : "name").focus();
  };
  dialog.oncancel = (event) => !mayCancel && event.preventDefault();
  $("welcome-cancel").onclick = () => dialog.close();
  $("welcome-form").onsubmit = (event) => {
    event.preventDefault();
    const given = { token: byToken ? $("token").value.trim() : null, name: byToken ? null : $("name").value.trim() };
    if (byToken && !isToken(given.token)) return say("That does not look like a token.", "token");
    if (!byToken && !NAME.test(given.name)) return say(given.name ? "Letters, digits, dots, dashes and spaces, at most 32." : "Please enter a name.", "name");
    memory.set("sessionStorage", "token", given.token);
    if (!byToken) memory.set("localStorage", "user", given.name);
    $("token").value = "";
    dialog.close();
    entered(given);
  };
  if (!dialog.open) dialog.showModal();
  $(byToken ? "token" : "name").focus();
}

/** Resolves to whether it is really meant. `text`: what it is about; the words around it are the page's, unless given. */
export function confirmed(text, { title, yes, no } = {}) {
  const dialog = $("confirm");
  if (title) $("confirm-title").textContent = title;
  if (yes) $("confirm-yes").textContent = yes;
  if (no) $("confirm-no").textContent = no;
  $("confirm-text").textContent = text;
  dialog.returnValue = "no";
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue === "yes");
    dialog.showModal();
  });
}
