// What the pointer does. A tool has begin, move and end, which get points of the map; `editor` is
// what it works on. A tool that needs several clicks also has `commit` and `cancel`.

import { areaOfPolygon, copyArea, fillArea, floodFill, pasteRegion, strokeSegment } from "./labelmap.js";
import { outline, strokeOutline } from "./view.js";

class Brush {
  constructor(editor, value) {
    this.editor = editor;
    this.value = value;
  }

  begin(point) {
    this.editor.beginEdit();
    this.last = point;
    this.move(point);
  }

  move(point) {
    strokeSegment(this.editor.map, this.last, point, this.editor.size, this.value());
    this.last = point;
    this.editor.view.refresh();
  }

  end() {
    this.editor.endEdit();
  }

  cancel() {
    this.editor.abandonEdit();
  }

  draw(context, scale) {
    if (!this.editor.pointer) return;
    context.beginPath();
    context.arc(this.editor.pointer.x, this.editor.pointer.y, this.editor.size / 2, 0, 2 * Math.PI);
    outline(context, scale);
  }
}

// Freehand while the button is down; what to do with the outline is handed in.
class Lasso {
  constructor(editor, use) {
    this.editor = editor;
    this.use = use;
    this.points = [];
  }

  begin(point) {
    this.points = [point];
  }

  move(point) {
    this.points.push(point);
    this.editor.view.draw();
  }

  end() {
    const points = this.points;
    this.points = [];
    const { width, height } = this.editor.map;
    const area = areaOfPolygon(points, width, height);
    if (area.mask.includes(1)) this.use(area);
    this.editor.view.draw();
  }

  cancel() {
    this.points = [];
    this.editor.view.draw();
  }

  draw(context, scale) {
    strokeOutline(context, scale, this.points, { closed: true });
  }
}

// Corner by corner; Enter or a click on the first corner closes it.
class Polygon {
  constructor(editor) {
    this.editor = editor;
    this.points = [];
  }

  begin(point) {
    const [first] = this.points;
    const near = first && Math.hypot(point.x - first.x, point.y - first.y) * this.editor.view.scale < 8;
    if (near && this.points.length > 2) this.commit();
    else this.points.push(point);
    this.editor.view.draw();
  }

  move() {}

  end() {}

  commit() {
    if (!this.points.length) return false;
    const area = areaOfPolygon(this.points, this.editor.map.width, this.editor.map.height);
    this.points = [];
    this.editor.edit((map) => fillArea(map, area, this.editor.chosen));
    return true;
  }

  cancel() {
    this.points = [];
    this.editor.view.draw();
  }

  draw(context, scale) {
    const hover = this.points.length && this.editor.pointer ? [this.editor.pointer] : [];
    strokeOutline(context, scale, [...this.points, ...hover]);
  }
}

// One click.
class Click {
  constructor(editor, act) {
    this.editor = editor;
    this.act = act;
  }

  begin(point) {
    const [x, y] = [Math.floor(point.x), Math.floor(point.y)];
    if (this.editor.map.holds(x, y)) this.act(x, y);
  }

  move() {}

  end() {}

  draw() {}
}

// Choose a region with a lasso; once it floats, drag it, Enter puts it down, Escape drops it.
class Select extends Lasso {
  constructor(editor) {
    super(editor, (area) => {
      this.area = area;
      editor.say("Ctrl+C copies the region, Ctrl+X cuts it, Ctrl+V pastes it: here, or into another map.");
    });
  }

  begin(point) {
    if (this.floating) this.grip = { x: point.x - this.floating.x, y: point.y - this.floating.y };
    else {
      this.area = null;
      super.begin(point);
    }
  }

  move(point) {
    if (this.floating && this.grip) {
      this.floating.x = Math.round(point.x - this.grip.x);
      this.floating.y = Math.round(point.y - this.grip.y);
      this.editor.view.draw();
    } else super.move(point);
  }

  end() {
    if (this.floating) this.grip = null;
    else super.end();
  }

  copy() {
    if (!this.area) return null;
    return copyArea(this.editor.map, this.area);
  }

  float(region) {
    this.floating = { ...region };
    this.picture = pictureOf(region, this.editor.view.palette);
    this.editor.view.draw();
  }

  commit() {
    if (!this.floating) return false;
    const region = this.floating;
    this.floating = this.grip = null;
    this.editor.edit((map) => pasteRegion(map, region));
    return true;
  }

  cancel() {
    this.floating = this.grip = this.area = null;
    super.cancel();
  }

  draw(context, scale) {
    super.draw(context, scale);
    const area = this.floating ?? this.area;
    if (this.floating) context.drawImage(this.picture, this.floating.x, this.floating.y);
    if (!area) return;
    context.beginPath();
    context.rect(area.x, area.y, area.width, area.height);
    outline(context, scale);
  }
}

function pictureOf(region, palette) {
  const canvas = new OffscreenCanvas(region.width, region.height);
  const image = new ImageData(region.width, region.height);
  const colors = new Uint32Array(image.data.buffer);
  region.mask.forEach((inside, i) => (colors[i] = inside ? palette[region.indices[i]] : 0));
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

// name, key, what it says, how it is made
export const TOOLS = [
  ["brush", "b", "Brush", (editor) => new Brush(editor, () => editor.chosen)],
  ["eraser", "e", "Eraser", (editor) => new Brush(editor, () => editor.background)],
  ["lasso", "l", "Lasso", (editor) => new Lasso(editor, (area) => editor.edit((map) => fillArea(map, area, editor.chosen)))],
  ["polygon", "p", "Polygon", (editor) => new Polygon(editor)],
  ["fill", "f", "Fill", (editor) => new Click(editor, (x, y) => editor.edit((map) => floodFill(map, x, y, editor.chosen)))],
  ["pick", "i", "Pick class", (editor) => new Click(editor, (x, y) => editor.choose(editor.map.at(x, y)))],
  ["select", "s", "Select", (editor) => new Select(editor)],
  ["reroll", "a", "Re-roll area", (editor) => new Lasso(editor, (area) => editor.rerollArea(area))],
];
