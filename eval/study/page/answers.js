// What a reader has answered: kept in the browser, and exported as a table.

const COLUMNS = ["study", "reader", "block", "item", "grade", "grade_code", "choice", "choice_code", "milliseconds",
  "change", "session", "rows", "answered_at", "check"];
// No vowels, no digits: no word comes about, and no spreadsheet takes one for a number or a date.
const LETTERS = "bcdfghjkmnpqrstvwxz";

function letters(count) {
  const drawn = crypto.getRandomValues(new Uint8Array(count));
  return Array.from(drawn, (byte) => LETTERS[byte % LETTERS.length]).join("");
}

// CRC-32 of a text in UTF-8, as eight letters for its eight hexadecimal digits.
function checkLetters(text) {
  let crc = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  const digits = ((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, "0");
  return Array.from(digits, (digit) => LETTERS[parseInt(digit, 16)]).join("");
}

function csvCell(value) {
  const text = String(value ?? "");
  return /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

class Answers {
  constructor(study) {
    this.study = study;
    this.place = `histosyn-study:${study.study}:${study.reader}:${study.block}`;
    this.kept = true;
    this.session = letters(8);
    this.given = {};
    this.position = null;
    this.takeOver();
    this.save();
  }

  // Each answer has a place of its own. A window learns only later what another one has kept, and would write an older
  // table over a newer one.
  placeOf(item) {
    return `${this.place}:${item.id}`;
  }

  stored(place) {
    try {
      return JSON.parse(localStorage.getItem(place)) ?? {};
    } catch {
      return {};
    }
  }

  // Of two windows, the later answer to an item counts in both.
  takeOver() {
    const { session, position } = this.stored(this.place);
    if (session) this.session = session;
    if (this.position === null && Number.isInteger(position)) this.position = position;
    for (const item of this.study.items) {
      const answer = this.stored(this.placeOf(item));
      if (answer.change > (this.given[item.id]?.change ?? -1)) this.given[item.id] = answer;
    }
  }

  keep(place, value) {
    const text = JSON.stringify(value);
    try {
      localStorage.setItem(place, text);
      return localStorage.getItem(place) === text;
    } catch {
      return false;
    }
  }

  // Once something could not be kept, all answers are tried again.
  save(changed = []) {
    const { session, position } = this;
    const items = this.kept ? changed : this.study.items.filter((item) => this.given[item.id]);
    const kept = [this.keep(this.place, { session, position }),
      ...items.map((item) => this.keep(this.placeOf(item), this.of(item)))];
    this.kept = kept.every(Boolean);
  }

  moveTo(position) {
    this.position = position;
    this.save();
  }

  of(item) {
    return this.given[item.id] ?? {};
  }

  // `codes`: question -> code of the answer.
  give(item, codes, milliseconds) {
    this.takeOver();
    const changes = Object.values(this.given).map((answer) => answer.change);
    const at = new Date().toISOString().slice(0, 19) + "Z";
    this.given[item.id] = { ...this.given[item.id], ...codes, milliseconds: Math.round(milliseconds),
      change: Math.max(-1, ...changes) + 1, at };
    this.save([item]);
  }

  complete(item) {
    const answer = this.of(item);
    return this.study.questions.every((question) => answer[question.name] !== undefined);
  }

  text(question, code) {
    const found = this.study.questions.find((one) => one.name === question);
    return found?.options.find((option) => option.code === code)?.label ?? "";
  }

  // One row for each item that has an answer. The mark at the beginning tells spreadsheets that it is UTF-8.
  csv() {
    this.takeOver();
    const { study, reader, block } = this.study;
    const answered = this.study.items.filter((item) => Object.keys(this.of(item)).length);
    const rows = answered.map((item) => {
      const { grade = "", choice = "", milliseconds, change, at } = this.of(item);
      const facts = [study, reader, block, item.id, grade, choice, milliseconds, change, this.session];
      return [study, reader, block, item.id, this.text("grade", grade), grade, this.text("choice", choice), choice,
        milliseconds, change, this.session, answered.length, at, checkLetters(facts.join("|"))];
    });
    return "\ufeff" + [COLUMNS, ...rows].map((row) => row.map(csvCell).join(",")).join("\r\n") + "\r\n";
  }

  get fileName() {
    const { study, reader, block } = this.study;
    return `answers-${study}-${reader}-${block}.csv`;
  }
}
