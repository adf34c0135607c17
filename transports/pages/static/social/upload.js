// A picture to the server, by tus 1.0.0: in pieces, and on from where it is when one of them was lost.

const PIECE_BYTES = 512 * 1024;
const FAILURES_MAX = 5; // in a row
const TUS = { "Tus-Resumable": "1.0.0" };

/**
 * Its id, once all of it is there. `headers` say whose it is; `told(share)` hears how far it is, from 0 to 1. Raises:
 * Error, with what the server says.
 */
export async function upload(file, { base, headers, told = () => {}, fetch = globalThis.fetch, wait = sleep }) {
  const metadata = [["filename", file.name], ["filetype", file.type]].filter(([, value]) => value).map(([name, value]) => `${name} ${base64(value)}`);
  const begun = await fetch(new URL("media", base), {
    method: "POST",
    headers: { ...headers, ...TUS, "Upload-Length": String(file.size), "Upload-Metadata": metadata.join(",") },
  });
  if (!begun.ok) throw await refusal(begun);
  const id = begun.headers.get("Location").split("/").at(-1);
  const address = new URL(`media/${id}`, base);
  let offset = 0;
  for (let failures = 0; offset < file.size; ) {
    try {
      const answer = await fetch(address, {
        method: "PATCH",
        headers: { ...headers, ...TUS, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" },
        body: file.slice(offset, offset + PIECE_BYTES),
      });
      if (!answer.ok) throw await refusal(answer);
      offset = Number(answer.headers.get("Upload-Offset"));
      failures = 0;
      told(offset / file.size);
    } catch (error) {
      if (++failures > FAILURES_MAX || error.isFinal) throw error;
      await wait(500 * 2 ** failures);
      const answer = await fetch(address, { method: "HEAD", headers: { ...headers, ...TUS } }).catch(() => null);
      if (answer?.ok) offset = Number(answer.headers.get("Upload-Offset"));
    }
  }
  return id;
}

/** Resolves once everybody may see what was made of it. Raises: Error, why nothing was. */
export async function published(session, id) {
  await session.act(`media:${id}`, "publish");
  await new Promise((resolve, reject) => {
    const end = (settle, value) => {
      session.client.unsubscribe(watched);
      settle(value);
    };
    const look = ({ state, reason } = {}) => {
      if (state === "ready") end(resolve);
      else if (["refused", "failed", "deleted"].includes(state)) end(reject, new Error(WHY[reason] ?? "That picture could not be read."));
    };
    const watched = session.client.subscribe(`media:${id}`, {
      subscribed: ({ data, recovered }) => recovered || look(data),
      publication: ({ data }) => {
        if (data.type === "media.ready") look({ state: "ready" });
        else if (["media.refused", "media.failed", "media.deleted"].includes(data.type)) look({ state: "refused", reason: data.reason });
      },
      unsubscribed: (code, reason) => code && reject(new Error(reason)),
    });
  });
}

const WHY = {
  "media.not_media": "That is no picture.",
  "media.wrong_type": "That is no picture.",
  "media.damaged": "That picture is damaged.",
  "media.too_many_pixels": "That picture has too many pixels.",
  "media.too_heavy": "That picture is too large.",
};

async function refusal(answer) {
  const body = await answer.json().catch(() => null);
  const error = new Error(body?.error?.message ?? `the server answered ${answer.status}`);
  error.isFinal = answer.status < 500 && ![408, 409, 423, 429, 460].includes(answer.status);
  return error;
}

const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
