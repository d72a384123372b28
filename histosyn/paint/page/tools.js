// What the pointer does. A tool has begin, move and end, which get points of the map; `studio` is
// what it works on. A tool that needs several clicks also has `commit` and `cancel`.

import { areaOfPolygon, copyArea, fillArea, floodFill, pasteRegion, strokeSegment } from "./labelmap.js";
import { outline, strokeOutline } from "./view.js";

class Brush {
  constructor(studio, value) {
    this.studio = studio;
    this.value = value;
  }

  begin(point) {
    this.studio.beginEdit();
    this.last = point;
    this.move(point);
  }

  move(point) {
    strokeSegment(this.studio.map, this.last, point, this.studio.size, this.value());
    this.last = point;
    this.studio.view.refresh();
  }

  end() {
    this.studio.endEdit();
  }

  cancel() {
    this.studio.abandonEdit();
  }

  draw(context, scale) {
    if (!this.studio.pointer) return;
    context.beginPath();
    context.arc(this.studio.pointer.x, this.studio.pointer.y, this.studio.size / 2, 0, 2 * Math.PI);
    outline(context, scale);
  }
}

// Freehand while the button is down; what to do with the outline is handed in.
class Lasso {
  constructor(studio, use) {
    this.studio = studio;
    this.use = use;
    this.points = [];
  }

  begin(point) {
    this.points = [point];
  }

  move(point) {
    this.points.push(point);
    this.studio.view.draw();
  }

  end() {
    const points = this.points;
    this.points = [];
    const { width, height } = this.studio.map;
    const area = areaOfPolygon(points, width, height);
    if (area.mask.includes(1)) this.use(area);
    this.studio.view.draw();
  }

  cancel() {
    this.points = [];
    this.studio.view.draw();
  }

  draw(context, scale) {
    strokeOutline(context, scale, this.points, { closed: true });
  }
}

// Corner by corner; Enter or a click on the first corner closes it.
class Polygon {
  constructor(studio) {
    this.studio = studio;
    this.points = [];
  }

  begin(point) {
    const [first] = this.points;
    const near = first && Math.hypot(point.x - first.x, point.y - first.y) * this.studio.view.scale < 8;
    if (near && this.points.length > 2) this.commit();
    else this.points.push(point);
    this.studio.view.draw();
  }

  move() {}

  end() {}

  commit() {
    if (!this.points.length) return false;
    const area = areaOfPolygon(this.points, this.studio.map.width, this.studio.map.height);
    this.points = [];
    this.studio.edit((map) => fillArea(map, area, this.studio.chosen));
    return true;
  }

  cancel() {
    this.points = [];
    this.studio.view.draw();
  }

  draw(context, scale) {
    const hover = this.points.length && this.studio.pointer ? [this.studio.pointer] : [];
    strokeOutline(context, scale, [...this.points, ...hover]);
  }
}

// One click.
class Click {
  constructor(studio, act) {
    this.studio = studio;
    this.act = act;
  }

  begin(point) {
    const [x, y] = [Math.floor(point.x), Math.floor(point.y)];
    if (this.studio.map.holds(x, y)) this.act(x, y);
  }

  move() {}

  end() {}

  draw() {}
}

// Choose a region with a lasso; once it floats, drag it, Enter puts it down, Escape drops it.
class Select extends Lasso {
  constructor(studio) {
    super(studio, (area) => {
      this.area = area;
      studio.say("Ctrl+C copies the region, Ctrl+X cuts it, Ctrl+V pastes it: here, or into another map.");
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
      this.studio.view.draw();
    } else super.move(point);
  }

  end() {
    if (this.floating) this.grip = null;
    else super.end();
  }

  copy() {
    if (!this.area) return null;
    return copyArea(this.studio.map, this.area);
  }

  float(region) {
    this.floating = { ...region };
    this.picture = pictureOf(region, this.studio.view.palette);
    this.studio.view.draw();
  }

  commit() {
    if (!this.floating) return false;
    const region = this.floating;
    this.floating = this.grip = null;
    this.studio.edit((map) => pasteRegion(map, region));
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
  ["brush", "b", "Brush", (studio) => new Brush(studio, () => studio.chosen)],
  ["eraser", "e", "Eraser", (studio) => new Brush(studio, () => studio.background)],
  ["lasso", "l", "Lasso", (studio) => new Lasso(studio, (area) => studio.edit((map) => fillArea(map, area, studio.chosen)))],
  ["polygon", "p", "Polygon", (studio) => new Polygon(studio)],
  ["fill", "f", "Fill", (studio) => new Click(studio, (x, y) => studio.edit((map) => floodFill(map, x, y, studio.chosen)))],
  ["pick", "i", "Pick class", (studio) => new Click(studio, (x, y) => studio.choose(studio.map.at(x, y)))],
  ["select", "s", "Select", (studio) => new Select(studio)],
  ["reroll", "a", "Re-roll area", (studio) => new Lasso(studio, (area) => studio.rerollArea(area))],
];
