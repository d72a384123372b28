// The stain of the tissue: decided by the seed, or set by hand, a slider for each number of a stain code.

// As far from the mean of the training tiles as sliders go, in their spreads.
const REACH = 3;

export class StainPanel {
  constructor(root, stain, editor) {
    this.stain = stain;
    this.editor = editor;
    root.hidden = !stain;
    if (!stain) return;
    this.sliders = stain.names.map((name, number) => this.#slider(root.querySelector("#stain-sliders"), name, number));
    root.querySelector("#stain-seed").onclick = () => editor.setStain(null);
    root.querySelector("#stain-other").onclick = () => editor.setStain([...this.#another()]);
    this.words = root.querySelector("#stain-words");
  }

  // What the editor has: sliders rest in the middle while the seed decides.
  show() {
    if (!this.stain) return;
    const { mean, spread } = this.stain;
    const code = this.editor.stain ?? mean;
    this.sliders.forEach((slider, i) => (slider.value = (code[i] - mean[i]) / spread[i]));
    this.words.textContent = this.editor.stain ? "Set by hand." : "The seed decides: the stain of some training tile.";
  }

  #slider(place, name, number) {
    const slider = Object.assign(document.createElement("input"), {
      type: "range", min: -REACH, max: REACH, step: 0.05, value: 0, id: `stain-${number}`,
      title: "In spreads over the training tiles, from their mean",
    });
    const label = Object.assign(document.createElement("label"), { className: "upright", textContent: name });
    label.append(slider);
    slider.onchange = () => this.editor.setStain(this.#code());
    place.append(label);
    return slider;
  }

  #code() {
    const { mean, spread } = this.stain;
    return this.sliders.map((slider, i) => mean[i] + slider.valueAsNumber * spread[i]);
  }

  #another() {
    return this.stain.seen[crypto.getRandomValues(new Uint32Array(1))[0] % this.stain.seen.length];
  }
}
