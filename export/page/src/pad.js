// The picture that the model is shown: drawn by hand, chosen, taken from a file or by a camera.
import { button, h } from "./elements.js";
import { framed, isLight, ofFile, paint, reduced } from "./picture.js";

const FINE = 8; // Pixels of the pad along one of the model's.

// Returns {element, show(floats), floats(), settled()}; `changed(floats)` is called with every new picture.
export function makePad({ image, ink, changed }) {
  const fine = Math.max(1, Math.min(FINE, Math.floor(1024 / Math.max(image.width, image.height))));
  const canvas = h("canvas", {
    class: "pad",
    width: image.width * fine,
    height: image.height * fine,
    role: "img",
    tabindex: ink ? 0 : null,
    "aria-label": ink
      ? "What the model is shown. Draw here with a finger or a mouse; or with arrow keys, the space bar puts the pen down and lifts it."
      : "What the model is shown",
  });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let floats = new Float32Array(image.width * image.height * image.channels);
  let own = false; // Whether all that is on the pad was drawn on it.
  let down = false; // Whether the pen of the keyboard is.

  function show(picture) {
    floats = picture;
    own = down = false;
    const small = document.createElement("canvas");
    paint(small, picture, image);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, canvas.width, canvas.height);
  }

  function clear() {
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    own = true;
    down = false;
    floats = reduced(canvas, image);
  }

  function drawn() {
    floats = own ? framed(canvas, image, ink) : reduced(canvas, image);
    changed(floats);
  }

  function line(from, to) {
    context.strokeStyle = "#fff";
    context.lineWidth = ink.pen * fine;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
    drawn();
  }

  if (ink) {
    let at = null;
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [
        ((event.clientX - box.left) / box.width) * canvas.width,
        ((event.clientY - box.top) / box.height) * canvas.height,
      ];
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return; // A menu, not a stroke.
      canvas.setPointerCapture(event.pointerId);
      if (!own) clear(); // A new drawing begins with an empty pad.
      at = place(event);
      line(at, at);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!at) return;
      for (const step of event.getCoalescedEvents?.() ?? [event]) {
        const next = place(step);
        line(at, next);
        at = next;
      }
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (at = null));

    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    let pen = [canvas.width / 2, canvas.height / 4];
    canvas.addEventListener("keydown", (event) => {
      if (event.key === " ") {
        const lowered = !down;
        if (lowered && !own) clear();
        down = lowered;
        if (down) line(pen, pen);
      } else if (moves[event.key]) {
        const inside = (value, most) => Math.max(0, Math.min(most, value));
        const next = [
          inside(pen[0] + moves[event.key][0] * fine, canvas.width),
          inside(pen[1] + moves[event.key][1] * fine, canvas.height),
        ];
        if (down) line(pen, next);
        pen = next;
      } else return;
      event.preventDefault();
    });
  }

  let reading = Promise.resolve();
  const read = (file) => file && (reading = perceived(file));

  async function perceived(file) {
    let picture;
    try {
      picture = await ofFile(file, image);
    } catch {
      document.getElementById("said").textContent = `${file.name} is no picture that this browser can read`;
      return;
    }
    // Drawings on paper are dark on light; these models know the reverse.
    if (ink && isLight(picture, image)) picture = picture.map((value) => 1 - value);
    show(picture);
    await changed(picture);
  }

  const file = h("input", {
    type: "file",
    accept: "image/*",
    "aria-label": "A picture of your own, from a file",
    onchange: () => read(file.files[0]),
  });
  const camera = h("input", {
    type: "file",
    accept: "image/*",
    capture: "environment",
    "aria-label": "A picture of your own, from the camera",
    onchange: () => read(camera.files[0]),
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    read(event.dataTransfer.files[0]);
  });

  const tools = h(
    "div",
    { class: "tools" },
    ink
      ? button("Clear", () => {
          clear();
          changed(floats);
        })
      : null,
    h("label", { class: "file" }, "Own picture", file),
    matchMedia("(pointer: coarse)").matches ? h("label", { class: "file" }, "Camera", camera) : null,
  );
  const hint = ink ? h("p", { class: "note" }, "Draw here.") : null;
  return { element: h("div", { class: "seen" }, canvas, hint, tools), show, floats: () => floats, settled: () => reading };
}
