// The server's side of the page. Addresses are relative, so the page works behind a proxy. The
// token came in the address's fragment, which browsers never send; it travels as a header.

const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? sessionStorage.getItem("token") ?? "";
if (token) sessionStorage.setItem("token", token);
// A tab is one client: its newest request replaces its older ones.
const client = crypto.getRandomValues(new Uint32Array(2)).join("-");

export class Outdated extends Error {}

export async function getModel() {
  return (await request("api/model")).json();
}

export async function getExample(name) {
  return opened(await request(`api/examples/${encodeURIComponent(name)}`));
}

export async function readLabelFile(file) {
  const type = file.type || "application/octet-stream";
  return opened(await request("api/read", { method: "POST", body: file, headers: { "Content-Type": type } }));
}

// Resolves to { blob, seconds }; `told` hears of waiting and progress.
export async function synthesize(recipe, told, signal) {
  const response = await request("api/synthesize", { ...posted(recipe), signal });
  for await (const event of events(response)) {
    if (event.event === "done") {
      return { blob: new Blob([bytesOf(event.png)], { type: "image/png" }), seconds: event.seconds };
    }
    if (event.event === "outdated") throw new Outdated();
    if (event.event === "error") throw new Error(event.message);
    told(event);
  }
  throw new Error("The server went away before the tissue was done. Is it still running?");
}

export async function save(recipe, name) {
  return (await request("api/save", posted(recipe, { "X-Histosyn-Name": encodeURIComponent(name) }))).json();
}

export async function labelPng(recipe) {
  return (await request("api/label-png", posted(recipe))).blob();
}

// Computed whole: what is shown while painting may be rounded otherwise here and there.
export async function tilePng(recipe) {
  return (await request("api/tile-png", posted(recipe))).blob();
}

// A recipe travels as its label map followed by its map of re-rolls, a byte a pixel.
function posted({ map, seed, areas, seeds, stain }, headers = {}) {
  return {
    method: "POST",
    body: new Blob([map.indices, areas]),
    headers: {
      "Content-Type": "application/octet-stream",
      "X-Histosyn-Client": client,
      "X-Histosyn-Size": `${map.width}x${map.height}`,
      "X-Histosyn-Seeds": [seed, ...seeds].join(","),
      "X-Histosyn-Stain": stain ? stain.map((number) => number.toFixed(5)).join(",") : "",
      ...headers,
    },
  };
}

async function request(address, options = {}) {
  const headers = { "X-Histosyn-Token": token, ...options.headers };
  let response;
  try {
    response = await fetch(address, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is it still running? Your map is kept in this browser.");
  }
  if (!response.ok) throw new Error(await complaint(response));
  return response;
}

async function complaint(response) {
  try {
    return (await response.json()).error;
  } catch {
    return `The server answered ${response.status} ${response.statusText}.`;
  }
}

async function opened(response) {
  const found = await response.json();
  return { ...found, indices: bytesOf(found.indices) };
}

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const lines = text.split("\n");
    text = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
