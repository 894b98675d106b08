// The page: reads what it carries, loads the models, and puts together the panels that the run has.
import { makeCode } from "./code.js";
import { h, section } from "./elements.js";
import { makeImagine } from "./imagine.js";
import { load, run } from "./models.js";
import { makeNeurons } from "./neurons.js";
import { makePad } from "./pad.js";
import { json } from "./packed.js";
import { ofStrip, paint } from "./picture.js";
import { makeTimes } from "./times.js";
import { makeWords } from "./words.js";

// The kinds of panels that a page may have; see evaluation/page.py.
const KINDS = { code: makeCode, imagine: makeImagine, times: makeTimes, words: makeWords, neurons: makeNeurons };

async function start() {
  const page = json("page");
  const main = document.querySelector("main");
  const { image } = page;
  // What panels share: who looks at a new picture, who is still at work, how long steps took.
  const shared = { perceive: [], settled: [], timings: [], code: null, words: null, maps: null, times: null, see: null };
  shared.see = (picture) => Promise.all(shared.perceive.map((look) => look(picture)));
  const pad = makePad({ image, ink: page.ink, changed: shared.see });
  const context = { image, page, pad, shared, run };

  const made = page.panels.map((panel) => KINDS[panel.kind](panel, context));
  const [pictures] = await Promise.all([ofStrip(page.pictures, image.channels), load(page.functions)]);
  const strip = pictures.map((picture, k) => {
    const small = h("canvas", { width: image.width, height: image.height, "aria-hidden": "true" });
    paint(small, picture, image);
    return h(
      "button",
      {
        type: "button",
        class: "swap",
        "aria-label": `Test picture ${k + 1}, ${page.labels[k]}`,
        onclick: () => {
          pad.show(picture);
          return shared.see(picture);
        },
      },
      small,
      h("span", {}, page.labels[k]),
    );
  });
  const [first, ...rest] = made.flatMap(({ elements }) => elements);
  const choice = section("Test pictures", "Choose one, or drop a picture of your own anywhere on this page.");
  choice.append(h("div", { class: "strip" }, ...strip));
  main.replaceChildren(first, choice, ...rest);
  pad.show(pictures[0]);
  await shared.see(pictures[0]);
  performance.mark("first-picture");
  for (const { begin } of made) await begin?.();

  const settled = async () => {
    await pad.settled();
    for (const wait of shared.settled) await wait();
  };
  // For whoever embeds or tests the page: its functions, its state, and a promise that all work is done.
  return { page, pictures, run, see: shared.see, shown: pad.floats, state: () => shared, settled };
}

window.reverie = { ready: start() };
window.reverie.ready.then(
  (found) => {
    Object.assign(window.reverie, found);
    document.body.classList.add("ready");
  },
  (error) => {
    document.querySelector("main").textContent = `This browser cannot run the page: ${error.message}`;
    console.error(error);
  },
);
