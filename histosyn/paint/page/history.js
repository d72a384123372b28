// The undo stack: objects with undo() and redo().

export class History {
  constructor(changed) {
    this.done = [];
    this.undone = [];
    this.changed = changed;
  }

  // Remember something that has been done already.
  add(action) {
    this.done.push(action);
    this.undone = [];
    this.changed();
  }

  undo() {
    this.#move(this.done, this.undone, "undo");
  }

  redo() {
    this.#move(this.undone, this.done, "redo");
  }

  #move(from, to, what) {
    const action = from.pop();
    if (!action) return;
    action[what]();
    to.push(action);
    this.changed();
  }
}
