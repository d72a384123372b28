// What is seen of a painting: labels over tissue, side by side, or before and after.

const GAP = 8;

export class View {
  constructor(canvas, palette) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.palette = palette; // Uint32Array of 256 colours as image data has them
    this.mode = "over";
    this.opacity = 0.35;
    this.split = 0.5; // where before meets after, as a share of the pane
    this.scale = 1;
    this.origin = { x: 0, y: 0 }; // of the map, in canvas pixels of its pane
    this.labels = new OffscreenCanvas(1, 1);
    this.tissue = null;
    this.before = null;
    this.overlays = []; // functions (context, scale) that draw in map coordinates
    this.waiting = false;
    new ResizeObserver(() => this.#resize()).observe(canvas);
  }

  // Take over a map; its pixels are read again at each `refresh`.
  show(map) {
    const other = !this.map || this.map.width !== map.width || this.map.height !== map.height;
    this.map = map;
    if (other) {
      this.labels = new OffscreenCanvas(map.width, map.height);
      this.tissue = this.before = null;
      this.fit();
    }
    this.refresh();
  }

  // The map's pixels have changed.
  refresh() {
    const { width, height, indices } = this.map;
    const image = new ImageData(width, height);
    const colors = new Uint32Array(image.data.buffer);
    for (let i = 0; i < indices.length; i++) colors[i] = this.palette[indices[i]];
    this.labels.getContext("2d").putImageData(image, 0, 0);
    this.draw();
  }

  setTissue(bitmap) {
    this.before = this.tissue ?? bitmap;
    this.tissue = bitmap;
    this.draw();
  }

  draw() {
    if (this.waiting || !this.map) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.#draw();
    });
  }

  fit() {
    const [pane] = this.panes();
    const { width, height } = this.map;
    this.scale = Math.max(0.05, Math.min(pane.width / width, pane.height / height) * 0.95);
    this.origin = { x: (pane.width - width * this.scale) / 2, y: (pane.height - height * this.scale) / 2 };
    this.draw();
  }

  // Zoom by a factor around a point of the canvas (default: the middle).
  zoom(factor, at) {
    const [pane] = this.panes();
    const fixed = at ? this.#inPane(at) : { x: pane.width / 2, y: pane.height / 2 };
    const scale = Math.min(64, Math.max(0.05, this.scale * factor));
    for (const axis of ["x", "y"]) {
      this.origin[axis] = fixed[axis] - ((fixed[axis] - this.origin[axis]) * scale) / this.scale;
    }
    this.scale = scale;
    this.draw();
  }

  move(dx, dy) {
    this.origin.x += dx;
    this.origin.y += dy;
    this.draw();
  }

  // A point of the canvas, in CSS pixels, as a point of the map.
  toMap(point) {
    const { x, y } = this.#inPane(point);
    return { x: (x - this.origin.x) / this.scale, y: (y - this.origin.y) / this.scale };
  }

  // Where before meets after, in CSS pixels of the canvas.
  get splitAt() {
    return this.canvas.clientWidth * this.split;
  }

  panes() {
    const [width, height] = [this.canvas.clientWidth || 1, this.canvas.clientHeight || 1];
    if (this.mode !== "side") return [{ x: 0, width, height }];
    const half = (width - GAP) / 2;
    return [{ x: 0, width: half, height }, { x: half + GAP, width: half, height }];
  }

  #inPane({ x, y }) {
    const pane = this.panes().findLast((each) => x >= each.x) ?? this.panes()[0];
    return { x: x - pane.x, y };
  }

  #resize() {
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio);
    this.canvas.height = Math.round(this.canvas.clientHeight * ratio);
    if (this.map) this.draw();
  }

  #draw() {
    const ratio = devicePixelRatio || 1;
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const [first, second] = this.panes();
    if (this.mode === "side") {
      this.#pane(first, () => this.#image(this.labels));
      this.#pane(second, () => this.#image(this.tissue));
    } else if (this.mode === "before") {
      this.#pane(first, () => this.#image(this.tissue));
      this.#pane({ ...first, width: this.splitAt }, () => this.#image(this.before));
      this.#divider();
    } else {
      this.#pane(first, () => {
        this.#image(this.tissue);
        this.#image(this.labels, this.tissue ? this.opacity : 1);
      });
    }
  }

  #pane(pane, paint) {
    const context = this.context;
    context.save();
    context.beginPath();
    context.rect(pane.x, 0, pane.width, pane.height);
    context.clip();
    context.translate(pane.x + this.origin.x, this.origin.y);
    context.scale(this.scale, this.scale);
    context.fillStyle = "#fff";
    context.fillRect(0, 0, this.map.width, this.map.height);
    paint();
    for (const overlay of this.overlays) overlay(context, this.scale);
    context.restore();
  }

  #image(image, opacity = 1) {
    if (!image || !opacity) return;
    const context = this.context;
    context.imageSmoothingEnabled = this.scale < 1;
    context.globalAlpha = opacity;
    context.drawImage(image, 0, 0, this.map.width, this.map.height);
    context.globalAlpha = 1;
  }

  #divider() {
    const context = this.context;
    context.fillStyle = "#fff";
    context.fillRect(this.splitAt - 1, 0, 2, this.canvas.clientHeight);
    context.font = "12px system-ui";
    context.fillStyle = "#2b2130";
    context.textAlign = "right";
    context.fillText("before", this.splitAt - 8, 18);
    context.textAlign = "left";
    context.fillText("after", this.splitAt + 8, 18);
  }
}

// A path in map coordinates that can be seen on any tissue.
export function strokeOutline(context, scale, points, { closed = false } = {}) {
  if (!points.length) return;
  context.beginPath();
  points.forEach((p, i) => (i ? context.lineTo(p.x, p.y) : context.moveTo(p.x, p.y)));
  if (closed) context.closePath();
  outline(context, scale);
}

export function outline(context, scale) {
  for (const [color, dash] of [["#fff", []], ["#000", [4 / scale, 4 / scale]]]) {
    context.strokeStyle = color;
    context.lineWidth = 1.2 / scale;
    context.setLineDash(dash);
    context.stroke();
  }
  context.setLineDash([]);
}
