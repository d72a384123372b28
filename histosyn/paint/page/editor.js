// The painting and what is done to it: one label map, its noise (a seed, re-rolled areas, and a stain
// unless the seed decides it), the history of edits, and the tissue that the server makes of them.

import * as api from "./api.js";
import { keep } from "./browser_storage.js";
import { Edit, LabelMap, pixelsOf } from "./labelmap.js";
import { History } from "./history.js";

const LIVE_DELAY_MS = 150;
const KEEP_DELAY_MS = 300;
// Re-rolls are counted in a byte a pixel.
const MOST_REROLLS = 255;

export class Editor {
  // `screen` says things to the person: say(text, kind), busy(words, share), changed(), result(...)
  constructor(model, view, screen) {
    this.model = model;
    this.view = view;
    this.screen = screen;
    this.background = model.background;
    this.chosen = model.background === 0 ? 1 : 0;
    this.size = 24;
    this.live = true;
    this.pointer = null;
    this.tissueIsCurrent = false;
    this.changes = 0;
    view.overlays = [(context, scale) => this.tool?.draw(context, scale)];
  }

  // Begin with another map; what was painted before cannot be undone from there.
  start(map, { seed = this.seed ?? 0, areas = new Uint8Array(map.indices.length), seeds = [], stain = this.stain ?? null, name = "" } = {}) {
    Object.assign(this, { map, seed, areas, seeds, stain, name });
    this.history = new History(() => this.#changed());
    this.tool?.cancel?.();
    this.view.show(map);
    this.#changed();
  }

  get recipe() {
    const { map, seed, areas, seeds, stain } = this;
    return { map: map.clone(), seed, areas: areas.slice(), seeds: [...seeds], stain: stain && [...stain] };
  }

  say(text, kind) {
    this.screen.say(text, kind);
  }

  hover(point) {
    this.pointer = point;
    this.screen.position(point);
    this.view.draw();
  }

  choose(value) {
    this.chosen = value;
    this.screen.changed();
  }

  // --- edits of the map ---

  beginEdit() {
    this.unedited = this.map.indices.slice();
  }

  endEdit() {
    const edit = Edit.between(this.unedited, this.map.indices);
    this.unedited = null;
    if (edit.empty) return;
    const { map } = this;
    this.history.add({ undo: () => edit.undo(map.indices), redo: () => edit.redo(map.indices) });
  }

  abandonEdit() {
    if (!this.unedited) return;
    this.map.indices.set(this.unedited);
    this.unedited = null;
    this.view.refresh();
  }

  edit(change) {
    this.beginEdit();
    change(this.map);
    this.endEdit();
  }

  // --- noise ---

  setSeed(seed) {
    this.#setNoise({ seed, areas: new Uint8Array(this.areas.length), seeds: [], stain: this.stain });
  }

  // A code, or null: the seed decides.
  setStain(stain) {
    this.#setNoise({ seed: this.seed, areas: this.areas, seeds: this.seeds, stain });
  }

  rerollAll() {
    this.setSeed(freshSeed());
  }

  rerollClass() {
    this.#reroll((areas, number) => {
      this.map.indices.forEach((value, i) => {
        if (value === this.chosen) areas[i] = number;
      });
    });
  }

  rerollArea(area) {
    this.#reroll((areas, number) => {
      for (const [offset] of pixelsOf(area, this.map.width, this.map.height)) areas[offset] = number;
    });
  }

  #reroll(mark) {
    if (this.seeds.length === MOST_REROLLS) {
      this.say(`${MOST_REROLLS} areas have noise of their own: re-roll everything to start anew.`, "error");
      return;
    }
    const areas = this.areas.slice();
    mark(areas, this.seeds.length + 1);
    this.#setNoise({ seed: this.seed, areas, seeds: [...this.seeds, freshSeed()], stain: this.stain });
  }

  #setNoise(noise) {
    const before = { seed: this.seed, areas: this.areas, seeds: this.seeds, stain: this.stain };
    Object.assign(this, noise);
    this.history.add({ undo: () => Object.assign(this, before), redo: () => Object.assign(this, noise) });
  }

  // --- tissue ---

  #changed() {
    this.tissueIsCurrent = false;
    this.changes += 1;
    this.view.refresh();
    this.screen.changed();
    clearTimeout(this.keepTimer);
    this.keepTimer = setTimeout(() => this.#keep(), KEEP_DELAY_MS);
    clearTimeout(this.liveTimer);
    if (this.live) this.liveTimer = setTimeout(() => this.synthesize(), LIVE_DELAY_MS);
  }

  async #keep() {
    const { map, ...noise } = this.recipe;
    const kept = { width: map.width, height: map.height, indices: map.indices, name: this.name, ...noise };
    try {
      await keep(this.model.schema.name, { ...kept, at: Date.now() });
    } catch (error) {
      this.say(`The browser keeps no copy of this map (${error.message}). Save it now and then.`, "error");
    }
  }

  // The newest request wins: an older one that is under way is given up, here and on the server.
  async synthesize() {
    this.underWay?.abort();
    const mine = (this.underWay = new AbortController());
    const { recipe, changes } = this;
    this.screen.busy("waiting", null);
    try {
      const { blob, seconds } = await api.synthesize(recipe, (event) => this.screen.busy(...wordsOf(event)), mine.signal);
      const bitmap = await createImageBitmap(blob);
      if (mine !== this.underWay) return;
      this.view.setTissue(bitmap);
      // The map may have changed meanwhile, and its own tissue not been asked for yet.
      this.tissueIsCurrent = changes === this.changes;
      this.screen.result({ recipe, blob, seconds });
    } catch (error) {
      if (error.name !== "AbortError" && !(error instanceof api.Outdated)) this.say(error.message, "error");
    } finally {
      if (mine === this.underWay) {
        this.underWay = null;
        this.screen.busy(null);
      }
    }
  }

  // Go back to an earlier result: map, noise and tissue.
  async restore({ recipe, blob }) {
    const { map, seed, areas, seeds, stain } = recipe;
    this.start(map.clone(), { seed, areas: areas.slice(), seeds: [...seeds], stain, name: this.name });
    clearTimeout(this.liveTimer);
    this.view.setTissue(await createImageBitmap(blob));
    this.tissueIsCurrent = true;
  }
}

export function blankMap(width, height, value) {
  return new LabelMap(width, height, new Uint8Array(width * height).fill(value));
}

function freshSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}

function wordsOf(event) {
  if (event.event === "queued") return [event.ahead ? `${event.ahead} before you` : "waiting", null];
  const left = event.eta_seconds > 1 ? `, ${Math.ceil(event.eta_seconds)} s left` : "";
  return [`synthesizing${left}`, event.share];
}
