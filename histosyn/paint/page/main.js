// The page: connects buttons and keys with the editor.

import * as api from "./api.js";
import { forget, kept } from "./browser_storage.js";
import { fillArea, LabelMap } from "./labelmap.js";
import { Pointer } from "./pointer.js";
import { blankMap, Editor } from "./editor.js";
import { StainPanel } from "./stain.js";
import { TOOLS } from "./tools.js";
import { View } from "./view.js";

const RESULTS_KEPT = 24;
const VIEWS = [["over", "Labels over tissue", "1 pane"], ["side", "Side by side", "2 panes"], ["before", "Before / after", "slider"]];
const $ = (id) => document.getElementById(id);

let editor;
let clipboard = null;
const results = [];

// --- what the editor tells ---

const screen = {
  say(text, kind = "") {
    const notice = $("notice");
    notice.textContent = text;
    notice.className = `shown ${kind}`;
    clearTimeout(screen.noticeTimer);
    screen.noticeTimer = setTimeout(() => (notice.className = kind), kind === "error" ? 9000 : 4000);
  },
  busy(words, share) {
    $("busy").hidden = words === null;
    $("busy-words").textContent = words ?? "";
    if (share === null || share === undefined) $("progress").removeAttribute("value");
    else $("progress").value = share;
  },
  position(point) {
    const [x, y] = point ? [Math.floor(point.x), Math.floor(point.y)] : [-1, -1];
    const inside = point && editor.map.holds(x, y);
    $("position").textContent = inside ? `${x}, ${y}: ${className(editor.map.at(x, y))}` : "";
  },
  changed() {
    const { map, history, chosen, seed } = editor;
    $("undo").disabled = !history.done.length;
    $("redo").disabled = !history.undone.length;
    $("seed").value = seed;
    editor.stainPanel?.show();
    $("status").textContent = `${map.width} × ${map.height} pixels${editor.name ? `, from ${editor.name}` : ""}`;
    // The list keeps its empty choice, so that the map at hand can be chosen anew.
    $("examples").options[0].textContent = editor.name || "a blank map";
    check("palette", String(chosen));
  },
  result({ recipe, blob, seconds }) {
    $("status").textContent += ` · network ${seconds.network.toFixed(2)} s, PNG ${seconds.encoding.toFixed(2)} s`;
    results.unshift({ recipe, blob, address: URL.createObjectURL(blob) });
    for (const old of results.splice(RESULTS_KEPT)) URL.revokeObjectURL(old.address);
    showResults();
  },
};

function className(value) {
  return editor.model.schema.classes[value]?.name ?? "no class";
}

function showResults() {
  $("results").replaceChildren(...results.map((result) => {
    const image = Object.assign(new Image(), { src: result.address, alt: `seed ${result.recipe.seed}` });
    const title = `Back to this map and tissue (seed ${result.recipe.seed})`;
    return button({ title, children: [image], act: () => editor.restore(result) });
  }));
}

// --- building ---

function button({ title = "", children = [], name, act }) {
  const made = Object.assign(document.createElement("button"), { type: "button", title, onclick: act });
  if (name !== undefined) {
    made.dataset.name = name;
    made.setAttribute("role", "radio");
  }
  made.append(...children);
  return made;
}

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function check(group, name) {
  for (const each of $(group).children) each.setAttribute("aria-checked", each.dataset.name === name);
}

const key = (text) => element("kbd", { textContent: text });
const label = (text) => element("span", { className: "name", textContent: text });

function buildTools() {
  const tools = TOOLS.map(([name, letter, words, make]) => [name, letter, words, make(editor)]);
  editor.tools = Object.fromEntries(tools.map(([name, , , tool]) => [name, tool]));
  $("tools").append(...tools.map(([name, letter, words]) =>
    button({ name, title: `${words} (${letter.toUpperCase()})`, children: [label(words), key(letter)], act: () => useTool(name) })));
}

function useTool(name) {
  editor.tool?.cancel?.();
  editor.tool = editor.tools[name];
  check("tools", name);
  editor.view.draw();
}

function buildPalette(classes) {
  $("palette").append(...classes.map((item, value) => {
    const swatch = element("span", { className: "swatch" });
    swatch.style.background = item.color;
    const children = [swatch, label(item.name), ...(value < 9 ? [key(String(value + 1))] : [])];
    return button({ name: String(value), title: item.description, children, act: () => editor.choose(value) });
  }));
  $("blank-class").append(...classes.map((item, value) => element("option", { value, textContent: item.name })));
}

function buildViews() {
  $("views").append(...VIEWS.map(([name, words]) => button({ name, children: [words], act: () => useView(name) })));
}

function useView(name) {
  editor.view.mode = name;
  check("views", name);
  editor.view.fit();
}

// --- maps from elsewhere ---

function take(found, name) {
  const problem = unfit(found.width, found.height);
  if (problem) return screen.say(problem, "error");
  editor.start(new LabelMap(found.width, found.height, found.indices), { name });
  if (found.snapped.length) report(found, name);
}

function unfit(width, height) {
  const { fixed_size: fixed, most_pixels: most } = editor.model;
  if (fixed && (width !== fixed[0] || height !== fixed[1])) {
    return `This model makes tissue of ${fixed[0]} × ${fixed[1]} pixels only; the map has ${width} × ${height}.`;
  }
  if (width * height > most) return `${width} × ${height} pixels are more than this server takes (${most}).`;
  return null;
}

// Which colours of a file were not the schema's own, and what they were taken for.
function report(found, name) {
  $("report-title").textContent = `${name}: colours that are a little off`;
  $("report-words").textContent = "They were taken for the nearest class.";
  const rows = found.snapped.map((item) => [item.color, className(item.index), `${item.pixels} pixels`, `off by ${item.distance}`]);
  $("report-table").replaceChildren(...rows.map((cells) => element("tr", {}, ...cells.map((text) => element("td", { textContent: text })))));
  $("report-dialog").showModal();
}

async function orSay(work) {
  try {
    return await work();
  } catch (error) {
    screen.say(error.message, "error");
    return null;
  }
}

const openFile = (file) => orSay(async () => take(await api.readLabelFile(file), file.name));

function askBlank() {
  const { fixed_size: fixed } = editor.model;
  const [width, height] = fixed ?? [editor.map.width, editor.map.height];
  Object.assign($("blank-width"), { value: width, disabled: Boolean(fixed) });
  Object.assign($("blank-height"), { value: height, disabled: Boolean(fixed) });
  $("blank-class").value = editor.background;
  $("blank-words").textContent = fixed ? "This model makes tissue of this size only." : `Trained on ${editor.model.tile_size.join(" × ")}.`;
  const dialog = $("blank-dialog");
  dialog.onclose = () => {
    if (dialog.returnValue !== "ok") return;
    const [w, h] = [$("blank-width").valueAsNumber, $("blank-height").valueAsNumber];
    const problem = w >= 1 && h >= 1 ? unfit(w, h) : "Width and height are whole numbers above 0.";
    if (problem) screen.say(problem, "error");
    else editor.start(blankMap(w, h, Number($("blank-class").value)));
  };
  dialog.returnValue = "cancel";
  dialog.showModal();
}

// --- results ---

const savePair = () => orSay(async () => {
  const saved = await api.save(editor.recipe, editor.name.replace(/\.[^.]*$/, ""));
  screen.say(`Saved ${saved.name}: ${saved.label} and ${saved.tile}`);
});

const download = () => orSay(async () => {
  const name = editor.name.replace(/\.[^.]*$/, "") || "painting";
  const recipe = editor.recipe;
  give(await api.labelPng(recipe), `${name}.label.png`);
  give(await api.tilePng(recipe), `${name}.tile.png`);
});

function give(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// --- keys ---

const copy = () => {
  clipboard = editor.tools.select.copy() ?? clipboard;
  return clipboard;
};

const KEYS = [
  ["Ctrl+Z", "undo", () => editor.history.undo()],
  ["Ctrl+Shift+Z", "redo", () => editor.history.redo()],
  ["Ctrl+Y", "redo", () => editor.history.redo()],
  ["Ctrl+S", "save the pair", savePair],
  ["Ctrl+C", "copy the selected region", copy],
  ["Ctrl+X", "cut the selected region", cut],
  ["Ctrl+V", "paste it; drag it, Enter puts it down", paste],
  ["Enter", "close the polygon, put the region down, or synthesize", commit],
  ["Escape", "drop what has been begun", () => editor.tool.cancel?.()],
  ["[", "smaller brush", () => setSize(editor.size / 1.25)],
  ["]", "larger brush", () => setSize(editor.size * 1.25 + 1)],
  ["+", "closer", () => editor.view.zoom(1.25)],
  ["=", "closer", () => editor.view.zoom(1.25)],
  ["-", "farther", () => editor.view.zoom(0.8)],
  ["0", "the whole map", () => editor.view.fit()],
  ["R", "new noise everywhere", () => editor.rerollAll()],
  ["V", "next view", nextView],
  ["N", "a blank map", askBlank],
  ["O", "open a label map", () => $("file").click()],
  ["?", "these keys", () => $("help-dialog").showModal()],
];

function cut() {
  const region = copy();
  if (region) editor.edit((map) => fillArea(map, region, editor.background));
}

function paste() {
  if (!clipboard) return screen.say("Nothing is copied yet: select a region (S) and press Ctrl+C.");
  useTool("select");
  editor.tool.float(clipboard);
}

function commit() {
  if (!editor.tool.commit?.()) editor.synthesize();
}

function nextView() {
  const names = VIEWS.map(([name]) => name);
  useView(names[(names.indexOf(editor.view.mode) + 1) % names.length]);
}

function setSize(size) {
  editor.size = Math.min(200, Math.max(1, Math.round(size)));
  $("size").value = editor.size;
  $("size-shown").textContent = editor.size;
  editor.view.draw();
}

function nameOf(event) {
  const letter = event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const control = event.ctrlKey || event.metaKey;
  // Shift is part of a character such as "?"; it matters with Ctrl only.
  return `${control ? "Ctrl+" : ""}${control && event.shiftKey ? "Shift+" : ""}${letter}`;
}

function pressed(event) {
  if (document.querySelector("dialog[open]") || event.target.matches("input[type=number], select")) return;
  if (event.key === " ") {
    editor.pointerInput.spaceHeld = true;
    return event.preventDefault();
  }
  const name = nameOf(event);
  const bound = KEYS.find(([each]) => each === name);
  const tool = TOOLS.find(([, letter]) => letter.toUpperCase() === name);
  const number = /^[1-9]$/.test(name) ? Number(name) - 1 : -1;
  if (name === "Enter" && event.target.matches("button")) return;
  if (bound) bound[2]();
  else if (tool) useTool(tool[0]);
  else if (number >= 0 && number < editor.model.schema.classes.length) editor.choose(number);
  else return;
  event.preventDefault();
}

function buildKeys() {
  const rows = [
    ...TOOLS.map(([, letter, words]) => [letter.toUpperCase(), words]),
    ["1 … 9", "choose a class"],
    ...KEYS.map(([name, words]) => [name, words]),
  ];
  $("keys").append(...rows.map(([name, words]) => element("tr", {}, element("td", {}, key(name)), element("td", { textContent: words }))));
}

// --- beginning ---

function connect() {
  const on = (id, act, what = "onclick") => ($(id)[what] = act);
  on("undo", () => editor.history.undo());
  on("redo", () => editor.history.redo());
  on("size", (event) => setSize(Number(event.target.value)), "oninput");
  on("opacity", (event) => {
    editor.view.opacity = event.target.value / 100;
    editor.view.draw();
  }, "oninput");
  on("fit", () => editor.view.fit());
  on("zoom-in", () => editor.view.zoom(1.25));
  on("zoom-out", () => editor.view.zoom(0.8));
  on("synthesize", () => editor.synthesize());
  on("live", (event) => (editor.live = event.target.checked), "onchange");
  on("seed", (event) => {
    if (event.target.checkValidity() && event.target.value !== "") editor.setSeed(event.target.valueAsNumber);
    else screen.say("A seed is a whole number from 0 to 4294967295.", "error");
  }, "onchange");
  on("reroll-all", () => editor.rerollAll());
  on("reroll-class", () => editor.rerollClass());
  on("reroll-area", () => {
    useTool("reroll");
    screen.say("Draw around the area that should get new noise.");
  });
  on("blank", askBlank);
  on("open", () => $("file").click());
  on("file", ({ target }) => {
    if (target.files[0]) openFile(target.files[0]);
    target.value = "";
  }, "onchange");
  on("save", savePair);
  on("download", download);
  on("help", () => $("help-dialog").showModal());
  on("examples", ({ target }) => {
    const name = target.value;
    target.value = "";
    if (name) orSay(async () => take(await api.getExample(name), name));
  }, "onchange");
  addEventListener("keydown", pressed);
  addEventListener("keyup", (event) => {
    if (event.key === " ") editor.pointerInput.spaceHeld = false;
  });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) openFile(file);
  });
}

// 256 colours as image data has them, opaque; what is no class is grey.
function paletteOf(classes) {
  const bytes = new Uint8Array(256 * 4).fill(128);
  classes.forEach((item, i) => bytes.set([1, 3, 5].map((at) => parseInt(item.color.slice(at, at + 2), 16)), 4 * i));
  for (let i = 0; i < 256; i++) bytes[4 * i + 3] = 255;
  return new Uint32Array(bytes.buffer);
}

function fromKept(last) {
  editor.start(new LabelMap(last.width, last.height, last.indices), last);
}

async function startMap(model) {
  const last = await kept(model.schema.name).catch(() => null);
  const [width, height] = model.fixed_size ?? model.tile_size;
  editor.start(blankMap(width, height, model.background));
  if (last && !unfit(last.width, last.height)) return offerKept(last);
  if (model.examples.length) take(await api.getExample(model.examples[0]), model.examples[0]);
}

function offerKept(last) {
  $("keep-words").textContent = `${last.width} × ${last.height} pixels, painted ${new Date(last.at).toLocaleString()}.`;
  const dialog = $("keep-dialog");
  dialog.onclose = () => {
    if (dialog.returnValue === "no") forget(editor.model.schema.name);
    else fromKept(last);
  };
  dialog.showModal();
}

async function begin() {
  const model = await orSay(api.getModel);
  if (!model) return;
  const view = new View($("stage"), paletteOf(model.schema.classes));
  editor = new Editor(model, view, screen);
  editor.pointerInput = new Pointer(editor);
  $("model").textContent = `${model.name} · ${model.schema.name}`;
  $("margin").textContent = model.margin_words;
  editor.stainPanel = new StainPanel($("stain"), model.stain, editor);
  $("examples").append(...model.examples.map((name) => element("option", { value: name, textContent: name })));
  buildTools();
  buildPalette(model.schema.classes);
  buildViews();
  buildKeys();
  connect();
  useTool("brush");
  check("views", "over");
  await orSay(() => startMap(model));
  // For tests and the console.
  globalThis.editor = editor;
}

begin();
