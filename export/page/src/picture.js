// Pictures: floats to canvases, files and strokes to floats. Floats are in [0, 1], row by row, channels last.

// `place` is of the picture in a canvas that holds several side by side.
export function paint(canvas, floats, { height, width, channels }, place = null) {
  if (place === null && (canvas.width !== width || canvas.height !== height)) {
    canvas.width = width;
    canvas.height = height;
  }
  const pixels = new ImageData(width, height);
  for (let k = 0; k < width * height; k++) {
    for (let c = 0; c < 3; c++) pixels.data[4 * k + c] = 255 * floats[channels === 1 ? k : 3 * k + c] + 0.5;
    pixels.data[4 * k + 3] = 255;
  }
  canvas.getContext("2d").putImageData(pixels, width * (place ?? 0), 0);
}

// Signed values around gray, each picture over its own range.
export function paintSigned(canvas, values, shape) {
  const strongest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-12);
  paint(canvas, Float32Array.from(values, (value) => 0.5 + (0.5 * value) / strongest), shape);
}

export function pixels(source, width, height, ground = "#000") {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillStyle = ground;
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

export function toFloats(data, { height, width, channels }) {
  const floats = new Float32Array(height * width * channels);
  for (let k = 0; k < height * width; k++) {
    const [red, green, blue] = [data[4 * k], data[4 * k + 1], data[4 * k + 2]];
    if (channels === 3) floats.set([red / 255, green / 255, blue / 255], 3 * k);
    else floats[k] = (red === green && green === blue ? red : 0.299 * red + 0.587 * green + 0.114 * blue) / 255;
  }
  return floats;
}

// The pictures of a strip {png, count, height, width}, floats each.
export async function ofStrip({ png, count, height, width }, channels) {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const data = pixels(image, width, count * height);
  const size = 4 * height * width;
  return Array.from({ length: count }, (_, k) =>
    toFloats(data.subarray(k * size, (k + 1) * size), { height, width, channels }),
  );
}

const MOST = 4096; // Side of a canvas that every browser has; larger ones stay blank without a word.

// A file as a picture of the model's size: its middle, as large as fits, what is transparent on `shape.ground`.
export async function ofFile(file, shape) {
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  const scale = Math.min(bitmap.width / shape.width, bitmap.height / shape.height);
  const ground = shape.ground ? `rgb(${shape.ground.join()})` : "#000";
  if (scale === 1 && bitmap.width === shape.width && bitmap.height === shape.height) {
    return toFloats(pixels(bitmap, shape.width, shape.height, ground), shape);
  }
  const [wide, high] = [shape.width * scale, shape.height * scale];
  const less = Math.max(1, Math.max(wide, high) / MOST);
  const middle = new OffscreenCanvas(Math.max(1, wide / less), Math.max(1, high / less));
  const context = middle.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = ground;
  context.fillRect(0, 0, middle.width, middle.height);
  const [left, top] = [(bitmap.width - wide) / 2, (bitmap.height - high) / 2];
  context.drawImage(bitmap, left, top, wide, high, 0, 0, middle.width, middle.height);
  // By halves, so that no pixel is passed over.
  let source = middle;
  while (source.width > 2 * shape.width) {
    const half = new OffscreenCanvas(Math.max(1, source.width / 2), Math.max(1, source.height / 2));
    half.getContext("2d").drawImage(source, 0, 0, half.width, half.height);
    source = half;
  }
  return toFloats(pixels(source, shape.width, shape.height), shape);
}

// A large canvas as a picture of the model's size: the mean of every square of pixels.
export function reduced(canvas, shape, context = canvas.getContext("2d", { willReadFrequently: true })) {
  const factor = canvas.width / shape.width;
  const fine = { ...shape, height: canvas.height, width: canvas.width };
  const floats = toFloats(context.getImageData(0, 0, canvas.width, canvas.height).data, fine);
  const result = new Float32Array(shape.height * shape.width * shape.channels);
  floats.forEach((value, k) => {
    const channel = k % shape.channels;
    const place = (k - channel) / shape.channels;
    const row = Math.floor(place / fine.width / factor);
    const column = Math.floor((place % fine.width) / factor);
    result[(row * shape.width + column) * shape.channels + channel] += value / (factor * factor);
  });
  return result;
}

// A drawing on a large canvas, moved and scaled to lie in its frame as those that the model learned from do.
export function framed(canvas, shape, ink) {
  const [width, height] = [canvas.width, canvas.height];
  const data = canvas.getContext("2d", { willReadFrequently: true }).getImageData(0, 0, width, height).data;
  let [top, bottom, left, right, mass, down, across] = [height, -1, width, -1, 0, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = data[4 * (y * width + x)];
      if (value > 50) {
        [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
        [left, right] = [Math.min(left, x), Math.max(right, x)];
      }
      mass += value;
      down += value * (y + 0.5);
      across += value * (x + 0.5);
    }
  }
  if (bottom < 0) return reduced(canvas, shape);
  const extent = Math.max(bottom - top + 1, right - left + 1);
  const scale = Math.min((ink.extent * Math.max(height, width)) / extent, 4);
  const moved = new OffscreenCanvas(width, height);
  const context = moved.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  context.translate(ink.center[1] * width, ink.center[0] * height);
  context.scale(scale, scale);
  context.drawImage(canvas, -across / mass, -down / mass);
  return reduced(moved, shape, context);
}

// Whether the ground of a picture is light: what lies along its edge.
export function isLight(floats, { height, width, channels }) {
  let [sum, count] = [0, 0];
  floats.forEach((value, k) => {
    const place = Math.floor(k / channels);
    const [y, x] = [Math.floor(place / width), place % width];
    if (y === 0 || x === 0 || y === height - 1 || x === width - 1) {
      sum += value;
      count += 1;
    }
  });
  return sum / count > 0.5;
}
