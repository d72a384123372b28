// The study: one item after the other, by keys or buttons.

const study = JSON.parse(document.getElementById("study").textContent);
const $ = (id) => document.getElementById(id);
const answers = new Answers(study);
const SCREENS = ["start", "item", "between", "end"];
const PICTURES_KEPT = 12;
const ARROW_PIXELS = 60;
const MOVES = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

let position = 0;
let screen = "start";
let active = 0;
// Milliseconds that the item has been in sight, and since when it is; null while it is not.
let seen = 0;
let since = null;
const looked = new Map();

// --- pictures ---

const pictures = new Map();

function picture(number) {
  let image = pictures.get(number);
  if (!image) {
    image = new Image();
    image.decoding = "async";
    image.src = `data:${study.media_type};base64,${$(`p${number}`).textContent}`;
  }
  pictures.delete(number);
  pictures.set(number, image);
  for (const old of pictures.keys()) if (pictures.size > PICTURES_KEPT) pictures.delete(old);
  return image;
}

const viewers = study.items[0].pictures.map(() => new Viewer((moved) => {
  for (const other of viewers) if (other !== moved) other.set(moved.zoom, { ...moved.middle }, false);
  $("zoom-words").textContent = `${moved.zoom.toFixed(1)}×`;
}));
$("stages").append(...viewers.map((viewer) => viewer.element));

// --- time ---

function watch(visible) {
  const now = performance.now();
  if (since !== null) seen += now - since;
  since = visible && screen === "item" && !document.hidden && !document.querySelector("dialog[open]") ? now : null;
}

// --- screens ---

function show(name) {
  watch(false);
  screen = name;
  for (const one of SCREENS) $(one).hidden = one !== name;
  watch(true);
  showProgress();
}

function showProgress() {
  const counted = study.items.filter((item) => !item.practice);
  const done = counted.filter((item) => answers.complete(item)).length;
  $("progress").max = counted.length;
  $("progress").value = done;
  $("progress-words").textContent = `${done} of ${counted.length} answered`;
  $("warning").hidden = answers.kept;
}

function open(number) {
  watch(false);
  if (screen === "item") looked.set(position, seen);
  position = number;
  answers.moveTo(number);
  const item = study.items[number];
  seen = looked.get(number) ?? answers.of(item).milliseconds ?? 0;
  show("item");
  active = 0;
  const before = study.items.slice(0, number).filter((other) => other.practice === item.practice).length + 1;
  const all = study.items.filter((other) => other.practice === item.practice).length;
  const what = study.noun;
  $("part").textContent = item.practice ? `Practice: ${what} ${before} of ${all}. These answers do not count.`
    : `${what[0].toUpperCase()}${what.slice(1)} ${before} of ${all}`;
  $("part").className = item.practice ? "practice" : "";
  viewers.forEach((viewer, place) => {
    const image = picture(item.pictures[place]);
    const side = study.sides[place] ?? "";
    viewer.show(image, `${what} ${before}${side && `, ${side}`}`, side);
    image.decode().then(() => image === viewer.image && viewer.reset(), () => {});
  });
  showAnswers();
  for (const ahead of study.items.slice(number + 1, number + 3)) ahead.pictures.forEach(picture);
}

function showAnswers() {
  const item = study.items[position];
  const answer = answers.of(item);
  study.questions.forEach((question, place) => {
    const box = $("questions").children[place];
    box.classList.toggle("active", study.questions.length > 1 && place === active);
    for (const button of box.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.code === answer[question.name]));
    }
  });
  $("previous").disabled = position === 0;
}

function answer(place, code) {
  const item = study.items[position];
  watch(true);
  answers.give(item, { [study.questions[place].name]: code }, seen);
  active = Math.min(place + 1, study.questions.length - 1);
  showAnswers();
  showProgress();
  if (place === study.questions.length - 1 && answers.complete(item)) go(1);
}

function go(step) {
  const number = position + step;
  if (number < 0) return;
  if (number >= study.items.length) {
    if (study.items.every((item) => answers.complete(item))) show("end");
    else firstUnanswered();
  } else if (step > 0 && study.items[position].practice && !study.items[number].practice) {
    watch(false);
    looked.set(position, seen);
    position = number;
    answers.moveTo(number);
    show("between");
    $("go-on").focus();
  } else {
    open(number);
  }
}

function firstUnanswered() {
  const number = study.items.findIndex((item) => !answers.complete(item));
  if (number < 0) show("end");
  else open(number);
}

// --- export ---

function exportAnswers() {
  const text = answers.csv();
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  Object.assign(document.createElement("a"), { href: address, download: answers.fileName }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  $("export-name").textContent = answers.fileName;
  $("export-text").value = text.replace("\ufeff", "");
  openDialog("export-dialog");
}

async function copy() {
  $("export-text").select();
  try {
    await navigator.clipboard.writeText($("export-text").value);
  } catch {
    document.execCommand("copy");
  }
}

function openDialog(id) {
  $(id).showModal();
  watch(false);
}

// --- keys ---

const KEYS = {
  n: () => go(1), enter: () => go(1), p: () => go(-1), backspace: () => go(-1), u: firstUnanswered,
  "+": () => viewers[0].zoomBy(1.5), "=": () => viewers[0].zoomBy(1.5), "-": () => viewers[0].zoomBy(1 / 1.5),
  "−": () => viewers[0].zoomBy(1 / 1.5), 0: () => viewers[0].reset(),
};

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const name = event.key.toLowerCase();
  // A button that has the focus is pressed by these.
  if ((name === "enter" || name === " ") && event.target.closest?.("button")) return;
  if (name === "e") exportAnswers();
  else if (name === "?") openDialog("help-dialog");
  else if (screen === "start" && name === "enter") begin();
  else if (screen === "between" && name === "enter") open(position);
  else if (screen === "between" && name === "p") open(position - 1);
  else if (screen === "end" && name === "enter") exportAnswers();
  else if (screen === "end" && name === "p") open(study.items.length - 1);
  else if (screen !== "item" || !itemKey(event, name)) return;
  event.preventDefault();
}

function itemKey(event, name) {
  const option = study.questions[active].options[Number(name) - 1];
  if (/^[1-9]$/.test(name)) {
    if (option && !event.repeat) answer(active, option.code);
  } else if (MOVES[event.key]) viewers[0].moveBy(...MOVES[event.key].map((step) => step * ARROW_PIXELS));
  else if (KEYS[name]) KEYS[name]();
  else return false;
  return true;
}

// --- building ---

function optionButton(option, number, place) {
  const button = document.createElement("button");
  const sign = Object.assign(document.createElement("kbd"), { textContent: number < 9 ? number + 1 : "" });
  Object.assign(button, { type: "button", onclick: () => answer(place, option.code) });
  button.dataset.code = option.code;
  button.append(option.label, ...(number < 9 ? [sign] : []));
  return button;
}

function questionBox(question, place) {
  const box = Object.assign(document.createElement("section"), { className: "question" });
  const title = Object.assign(document.createElement("h3"), { textContent: question.text, id: `question-${place}` });
  const options = Object.assign(document.createElement("div"), { className: "options" });
  options.setAttribute("role", "group");
  options.setAttribute("aria-labelledby", title.id);
  question.options.forEach((option, number) => {
    if (question.middle === number) options.append(Object.assign(document.createElement("div"), { className: "middle" }));
    options.append(optionButton(option, number, place));
  });
  box.append(title, options);
  return box;
}

function begin() {
  const last = answers.position ?? 0;
  open(Math.min(last, study.items.length - 1));
}

function build() {
  $("instructions").textContent = study.instructions;
  const practice = study.items.filter((item) => item.practice).length;
  const counted = study.items.length - practice;
  const facts = [`You are reader ${study.reader}.`, `${counted} ${study.noun}s${practice ? `, after ${practice} to practise` : ""}.`];
  $("facts").append(...facts.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  $("questions").append(...study.questions.map(questionBox));
  $("warning").textContent = "This browser does not keep your answers (a private window, perhaps). Export them before you "
    + "close this page, or open the file in another browser.";
  if (Object.keys(answers.given).length) $("begin").firstChild.textContent = "Go on ";
  const acts = { begin, "go-on": () => open(position), export: exportAnswers, "export-now": exportAnswers, copy,
    help: () => openDialog("help-dialog"), "look-again": () => open(study.items.length - 1),
    previous: () => go(-1), next: () => go(1), unanswered: firstUnanswered,
    closer: KEYS["+"], farther: KEYS["-"], whole: KEYS[0],
    "export-close": () => $("export-dialog").close(), "help-close": () => $("help-dialog").close() };
  for (const [id, act] of Object.entries(acts)) $(id).addEventListener("click", act);
  for (const dialog of document.querySelectorAll("dialog")) dialog.addEventListener("close", () => watch(true));
  document.addEventListener("keydown", key);
  document.addEventListener("visibilitychange", () => watch(true));
  addEventListener("storage", () => {
    answers.takeOver();
    showProgress();
    if (screen === "item") showAnswers();
  });
  addEventListener("beforeunload", (event) => {
    if (!answers.kept && Object.keys(answers.given).length) event.preventDefault();
  });
  show("start");
  $("begin").focus();
}

build();
