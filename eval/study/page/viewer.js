// An image that can be zoomed and moved, by wheel, fingers, mouse and keys. Of a pair, both move together.

const MOST_ZOOM = 12;
const MOST_ENLARGED = 3;

class Viewer {
  constructor(changed) {
    this.changed = changed;
    this.element = document.createElement("div");
    this.element.className = "stage";
    this.element.tabIndex = 0;
    this.pointers = new Map();
    this.zoom = 1;
    this.middle = { x: 0.5, y: 0.5 };
    const on = (name, act) => this.element.addEventListener(name, act, { passive: false });
    on("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), this.spot(event));
    });
    on("dblclick", (event) => (this.zoom > 1 ? this.reset() : this.zoomBy(3, this.spot(event))));
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) on(name, (event) => this.up(event));
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  show(image, description, side = "") {
    this.image = image;
    image.alt = description;
    image.draggable = false;
    const label = document.createElement("span");
    Object.assign(label, { className: "side", textContent: side, hidden: !side });
    this.element.replaceChildren(image, label);
    this.element.setAttribute("aria-label", `${description}: arrow keys move it once it is zoomed`);
    this.reset();
  }

  reset() {
    this.set(1, { x: 0.5, y: 0.5 });
  }

  // `middle`: the place of the image, each side 1, that is in the middle of the stage.
  set(zoom, middle, tell = true) {
    this.zoom = Math.min(Math.max(zoom, 1), MOST_ZOOM);
    const { shown, stage } = this.sizes();
    for (const [axis, side] of [["x", "width"], ["y", "height"]]) {
      const half = Math.min(stage[side] / (2 * shown[side] || 1), 0.5);
      this.middle[axis] = Math.min(Math.max(middle[axis], half), 1 - half);
    }
    this.draw();
    if (tell) this.changed(this);
  }

  sizes() {
    const stage = { width: this.element.clientWidth, height: this.element.clientHeight };
    const { naturalWidth: width = 1, naturalHeight: height = 1 } = this.image ?? {};
    const fit = Math.min(stage.width / width, stage.height / height, MOST_ENLARGED) || 1;
    const scale = fit * this.zoom;
    return { stage, scale, shown: { width: width * scale, height: height * scale } };
  }

  draw() {
    if (!this.image) return;
    const { stage, scale, shown } = this.sizes();
    const left = stage.width / 2 - this.middle.x * shown.width;
    const top = stage.height / 2 - this.middle.y * shown.height;
    this.image.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
  }

  // Where a pointer is, from the middle of the stage.
  spot(event) {
    const box = this.element.getBoundingClientRect();
    return { x: event.clientX - box.left - box.width / 2, y: event.clientY - box.top - box.height / 2 };
  }

  zoomBy(factor, spot = { x: 0, y: 0 }) {
    const before = this.sizes().shown;
    const under = { x: this.middle.x + spot.x / before.width, y: this.middle.y + spot.y / before.height };
    this.zoom = Math.min(Math.max(this.zoom * factor, 1), MOST_ZOOM);
    const after = this.sizes().shown;
    this.set(this.zoom, { x: under.x - spot.x / after.width, y: under.y - spot.y / after.height });
  }

  // By so many pixels of the screen.
  moveBy(x, y) {
    const { shown } = this.sizes();
    this.set(this.zoom, { x: this.middle.x - x / shown.width, y: this.middle.y - y / shown.height });
  }

  down(event) {
    this.element.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.spot(event));
    this.element.classList.add("held");
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = this.spot(event);
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const distance = (spot) => Math.hypot(spot.x - other.x, spot.y - other.y) || 1;
      this.zoomBy(distance(now) / distance(before), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
    } else {
      this.moveBy(now.x - before.x, now.y - before.y);
    }
    this.pointers.set(event.pointerId, now);
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    if (!this.pointers.size) this.element.classList.remove("held");
  }
}
