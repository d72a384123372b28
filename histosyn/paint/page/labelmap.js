// The label map of a painting: an array of class indices. Nothing here knows colours, so no class can
// appear that nobody painted. Coordinates are in pixels; pixel (i, j) covers [i, i+1) x [j, j+1).

export class LabelMap {
  constructor(width, height, indices = new Uint8Array(width * height)) {
    if (indices.length !== width * height) {
      throw new RangeError(`${indices.length} indices do not make ${width} x ${height} pixels`);
    }
    this.width = width;
    this.height = height;
    this.indices = indices;
  }

  clone() {
    return new LabelMap(this.width, this.height, this.indices.slice());
  }

  holds(x, y) {
    return x >= 0 && y >= 0 && x < this.width && y < this.height;
  }

  at(x, y) {
    return this.indices[y * this.width + x];
  }
}

// What differs between two arrays, as runs of the same change: offset, length, old, new. A stroke
// takes a few hundred bytes, so nothing limits how much can be undone.
export class Edit {
  constructor(runs) {
    this.runs = runs;
  }

  static between(before, after) {
    const runs = [];
    const end = before.length;
    for (let i = 0; i < end; i++) {
      if (before[i] === after[i]) continue;
      const start = i;
      while (i + 1 < end && before[i + 1] === before[start] && after[i + 1] === after[start]) i++;
      runs.push(start, i - start + 1, before[start], after[start]);
    }
    return new Edit(Uint32Array.from(runs));
  }

  get empty() {
    return this.runs.length === 0;
  }

  undo(values) {
    this.#apply(values, 2);
  }

  redo(values) {
    this.#apply(values, 3);
  }

  #apply(values, which) {
    const runs = this.runs;
    for (let i = 0; i < runs.length; i += 4) {
      values.fill(runs[i + which], runs[i], runs[i] + runs[i + 1]);
    }
  }
}

// A brush of `diameter` pixels with a hard edge, drawn from one point to another.
export function strokeSegment(map, from, to, diameter, value) {
  if (diameter === 1) {
    for (const [x, y] of pixelsOnLine(from, to)) {
      if (map.holds(x, y)) map.indices[y * map.width + x] = value;
    }
    return;
  }
  const a = snapped(from, diameter);
  const b = snapped(to, diameter);
  const radius = diameter / 2;
  const [left, right] = within(Math.min(a.x, b.x) - radius, Math.max(a.x, b.x) + radius, map.width);
  const [top, bottom] = within(Math.min(a.y, b.y) - radius, Math.max(a.y, b.y) + radius, map.height);
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      if (squaredDistance(x + 0.5, y + 0.5, a, b) <= radius * radius) {
        map.indices[y * map.width + x] = value;
      }
    }
  }
}

// An odd brush sits on the middle of a pixel, an even one between two.
function snapped(point, diameter) {
  const snap = diameter % 2 ? (v) => Math.floor(v) + 0.5 : Math.round;
  return { x: snap(point.x), y: snap(point.y) };
}

function within(low, high, size) {
  return [Math.max(0, Math.floor(low)), Math.min(size, Math.ceil(high))];
}

function squaredDistance(x, y, a, b) {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const length = dx * dx + dy * dy;
  const t = length ? Math.min(1, Math.max(0, ((x - a.x) * dx + (y - a.y) * dy) / length)) : 0;
  return (a.x + t * dx - x) ** 2 + (a.y + t * dy - y) ** 2;
}

function* pixelsOnLine(from, to) {
  const [x0, y0, x1, y1] = [from.x, from.y, to.x, to.y].map(Math.floor);
  const steps = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0));
  for (let i = 0; i <= steps; i++) {
    const t = steps ? i / steps : 0;
    yield [Math.round(x0 + t * (x1 - x0)), Math.round(y0 + t * (y1 - y0))];
  }
}

// The pixels whose middle lies inside a polygon (even-odd rule): a box and a mask in it.
export function areaOfPolygon(points, width, height) {
  const xs = points.map((p) => p.x);
  const ys = points.map((p) => p.y);
  const [left, right] = within(Math.min(...xs), Math.max(...xs), width);
  const [top, bottom] = within(Math.min(...ys), Math.max(...ys), height);
  const area = { x: left, y: top, width: Math.max(0, right - left), height: Math.max(0, bottom - top) };
  area.mask = new Uint8Array(area.width * area.height);
  for (let row = 0; row < area.height; row++) {
    const crossings = crossingsAt(points, top + row + 0.5);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const start = Math.max(0, Math.ceil(crossings[i] - left - 0.5));
      const end = Math.min(area.width, Math.ceil(crossings[i + 1] - left - 0.5));
      if (end > start) area.mask.fill(1, row * area.width + start, row * area.width + end);
    }
  }
  return area;
}

function crossingsAt(points, y) {
  const found = [];
  for (let i = 0; i < points.length; i++) {
    const [a, b] = [points[i], points[(i + 1) % points.length]];
    if (a.y <= y === b.y <= y) continue;
    found.push(a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x));
  }
  return found.sort((p, q) => p - q);
}

export function* pixelsOf(area, width, height) {
  for (let row = 0; row < area.height; row++) {
    for (let column = 0; column < area.width; column++) {
      const [x, y] = [area.x + column, area.y + row];
      const inner = row * area.width + column;
      if (area.mask[inner] && x >= 0 && y >= 0 && x < width && y < height) yield [y * width + x, inner];
    }
  }
}

export function fillArea(map, area, value) {
  for (const [offset] of pixelsOf(area, map.width, map.height)) map.indices[offset] = value;
}

// Replace the connected region (four neighbours) of one class that holds a pixel.
export function floodFill(map, x, y, value) {
  const { width, height, indices } = map;
  const old = indices[y * width + x];
  if (old === value) return;
  const waiting = [[x, y]];
  while (waiting.length) {
    let [left, row] = waiting.pop();
    const start = row * width;
    if (indices[start + left] !== old) continue;
    let right = left;
    while (left > 0 && indices[start + left - 1] === old) left--;
    while (right + 1 < width && indices[start + right + 1] === old) right++;
    indices.fill(value, start + left, start + right + 1);
    for (const next of [row - 1, row + 1]) {
      if (next < 0 || next >= height) continue;
      for (let i = left; i <= right; i++) {
        const begins = i === left || indices[next * width + i - 1] !== old;
        if (begins && indices[next * width + i] === old) waiting.push([i, next]);
      }
    }
  }
}

// A copied region keeps its classes and its outline; it can be pasted into any map.
export function copyArea(map, area) {
  const indices = new Uint8Array(area.mask.length);
  for (const [offset, inner] of pixelsOf(area, map.width, map.height)) indices[inner] = map.indices[offset];
  return { ...area, indices };
}

export function pasteRegion(map, region) {
  for (const [offset, inner] of pixelsOf(region, map.width, map.height)) {
    map.indices[offset] = region.indices[inner];
  }
}
