// Mouse, pen and fingers on the canvas: one paints, two move and zoom, the wheel zooms.

export class Pointer {
  constructor(editor) {
    this.editor = editor;
    this.canvas = editor.view.canvas;
    this.down = new Map(); // pointers that touch, by their ids: where they are
    this.doing = null; // "paint", "pan", "pinch" or "split"
    this.spaceHeld = false;
    for (const [name, act] of [
      ["pointerdown", this.#begin], ["pointermove", this.#move], ["pointerup", this.#end],
      ["pointercancel", this.#end], ["pointerleave", this.#leave],
    ]) this.canvas.addEventListener(name, act.bind(this));
    this.canvas.addEventListener("wheel", this.#wheel.bind(this), { passive: false });
    this.canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  #begin(event) {
    this.canvas.focus();
    this.canvas.setPointerCapture(event.pointerId);
    this.down.set(event.pointerId, at(event));
    if (this.down.size === 2) {
      if (this.doing === "paint") this.editor.tool.cancel?.();
      this.doing = "pinch";
    } else if (this.down.size === 1) {
      this.doing = this.#meant(event);
      if (this.doing === "paint") this.editor.tool.begin(this.editor.view.toMap(at(event)));
    }
  }

  #meant(event) {
    const view = this.editor.view;
    if (view.mode === "before" && Math.abs(at(event).x - view.splitAt) < 12) return "split";
    return this.spaceHeld || event.button === 1 || event.button === 2 ? "pan" : "paint";
  }

  #move(event) {
    const view = this.editor.view;
    const [was, now] = [this.down.get(event.pointerId), at(event)];
    this.editor.hover(view.toMap(now));
    if (!was) return;
    if (this.doing === "pinch") this.#pinch(event.pointerId, now);
    if (this.doing === "pan") view.move(now.x - was.x, now.y - was.y);
    if (this.doing === "split") {
      view.split = Math.min(1, Math.max(0, now.x / this.canvas.clientWidth));
      view.draw();
    }
    if (this.doing === "paint") {
      // A fast stroke has more points than frames.
      const points = event.getCoalescedEvents?.() ?? [];
      for (const each of points.length ? points : [event]) this.editor.tool.move(view.toMap(at(each)));
    }
    this.down.set(event.pointerId, now);
  }

  #pinch(id, now) {
    const [other] = [...this.down].filter(([each]) => each !== id).map(([, point]) => point);
    const was = this.down.get(id);
    const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
    this.editor.view.move((now.x - was.x) / 2, (now.y - was.y) / 2);
    this.editor.view.zoom(distance(now, other) / Math.max(1, distance(was, other)), middle);
  }

  #end(event) {
    if (!this.down.delete(event.pointerId)) return;
    if (this.doing === "paint") {
      if (event.type === "pointercancel") this.editor.tool.cancel?.();
      else this.editor.tool.end();
    }
    if (this.doing !== "pinch" || !this.down.size) this.doing = null;
  }

  #leave() {
    this.editor.hover(null);
  }

  #wheel(event) {
    event.preventDefault();
    this.editor.view.zoom(Math.exp(-event.deltaY / 400), at(event));
  }
}

function at(event) {
  const box = event.target.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);
