// Neurons stage by stage: what each likes, and its map of the picture that is shown.
import { button, h, onceAFrame, percent, say, section } from "./elements.js";
import { run } from "./models.js";
import { ofStrip, paint } from "./picture.js";

export function makeNeurons(panel, { image, pad, shared }) {
  let stage = panel.stages[0];
  let chosen = 0; // Which of the stage's maps that are shown.
  let maps = null;
  const strips = new Map();

  const large = h("canvas", { class: "large", width: image.width, height: image.height, role: "img" });
  const filter = h("canvas", { class: "large filter", role: "img" });
  const liked = h("canvas", { class: "large filter", role: "img", "aria-label": "What it likes best, gray is zero" });
  const stimuli = h("div", { class: "strip" });
  const grid = h("div", { class: "strip neurons", role: "group", "aria-label": "Neurons" });
  const title = h("h3", {}, "");
  const filterTitle = h("h3", {}, "Its filter");
  const strongest = h("p", { class: "note" });

  async function pictures(stage) {
    if (!strips.has(stage)) {
      const [filters, best, liked] = await Promise.all([
        stage.filters ? ofStrip(stage.filters, image.channels) : null,
        ofStrip(stage.stimuli, image.channels),
        ofStrip(stage.liked, image.channels),
      ]);
      strips.set(stage, { filters, best, liked });
    }
    return strips.get(stage);
  }

  const shapeOf = (strip) => ({ height: strip.height, width: strip.width, channels: image.channels });

  async function showStage(next) {
    stage = next;
    chosen = 0;
    const { liked: most } = await pictures(next);
    if (stage !== next) return null; // Another stage was chosen meanwhile.
    grid.replaceChildren(
      ...stage.shown.map((map, k) => {
        const canvas = h("canvas", { "aria-hidden": "true" });
        paint(canvas, most[k], shapeOf(stage.liked));
        return h(
          "button",
          {
            type: "button",
            class: "swap",
            "aria-label": `Neuron ${map + 1} of ${stage.name}`,
            onclick: () => showNeuron(k),
          },
          canvas,
        );
      }),
    );
    for (const { chip, of } of stages) chip.setAttribute("aria-pressed", String(of === stage));
    return showNeuron(0);
  }

  async function showNeuron(k) {
    const of = stage;
    chosen = k;
    const { filters, best, liked: most } = await pictures(of);
    if (stage !== of || chosen !== k) return null;
    [...grid.children].forEach((cell, place) => cell.setAttribute("aria-pressed", String(place === k)));
    title.textContent = `Neuron ${stage.shown[k] + 1} of ${stage.name}`;
    paint(liked, most[k], shapeOf(stage.liked));
    filter.hidden = filterTitle.hidden = !filters;
    if (filters) {
      paint(filter, filters[k], shapeOf(stage.filters));
      filter.setAttribute("aria-label", "Its filter, gray is zero");
    }
    stimuli.replaceChildren(
      ...best.slice(k * panel.top, (k + 1) * panel.top).map((picture, place) => {
        const canvas = h("canvas", { role: "img", "aria-label": `Excites it most, place ${place + 1}` });
        paint(canvas, picture, shapeOf(stage.stimuli));
        return canvas;
      }),
    );
    return draw();
  }

  const draw = onceAFrame(async () => {
    if (!maps) return;
    const values = maps[stage.output];
    const map = stage.shown[chosen];
    // In deviations from what it answers to test pictures.
    const [mean, deviation] = [stage.means[chosen], Math.max(stage.deviations[chosen], 1e-12)];
    const at = (row, column) => (values[(row * stage.columns + column) * stage.maps + map] - mean) / deviation;
    let [most, place] = [-Infinity, [0, 0]];
    for (let row = 0; row < stage.rows; row++) {
      for (let column = 0; column < stage.columns; column++) {
        if (at(row, column) > most) [most, place] = [at(row, column), [row, column]];
      }
    }
    // A place's answer stands in the middle of what it looks at: orange where it answers, blue where it is silent.
    const picture = pad.floats();
    const shown = new Float32Array(image.height * image.width * 3);
    const nearest = (pixel, count) => Math.max(0, Math.min(count - 1, Math.round((pixel - stage.window / 2) / stage.step)));
    for (let y = 0; y < image.height; y++) {
      for (let x = 0; x < image.width; x++) {
        const strength = at(nearest(y, stage.rows), nearest(x, stage.columns)) / 3;
        const tint = strength > 0 ? [1, 0.55, 0] : [0, 0.4, 1];
        const share = 0.75 * Math.min(1, Math.abs(strength));
        for (let c = 0; c < 3; c++) {
          const own = picture[(y * image.width + x) * image.channels + (image.channels === 3 ? c : 0)];
          shown[3 * (y * image.width + x) + c] = (1 - share) * own + share * tint[c];
        }
      }
    }
    paint(large, shown, { ...image, channels: 3 });
    large.setAttribute("aria-label", "Its map of the picture shown: orange where it answers more than usual, blue where less");
    const share = (k, count) => percent((k + 0.5) / count);
    strongest.textContent =
      `Strongest ${share(place[0], stage.rows)} down and ${share(place[1], stage.columns)} across, ` +
      `${Math.abs(most).toFixed(1)} deviations ${most < 0 ? "below" : "above"} what it usually answers.`;
    say(`${title.textContent}: ${strongest.textContent}`);
  });

  const look = onceAFrame(async (picture) => {
    const began = performance.now();
    maps = await run(panel.maps, { images: picture });
    shared.maps = maps;
    await draw();
    shared.timings.push(performance.now() - began);
  });
  shared.perceive.push(look);
  shared.settled.push(look.settled, draw.settled);

  const stages = panel.stages.map((of) => ({ of, chip: button(of.name, () => showStage(of)) }));
  const element = section(
    "Neurons",
    "Choose a neuron: what it looks for, the test pictures that excite it most, and where it answers in the picture shown.",
    h(
      "div",
      { class: "three" },
      h("div", {}, h("h3", {}, "Shown"), pad.element),
      h(
        "div",
        {},
        h("div", { class: "tools", role: "group", "aria-label": "Stage" }, ...stages.map(({ chip }) => chip)),
        grid,
      ),
      h(
        "div",
        {},
        title,
        large,
        strongest,
        h(
          "div",
          { class: "pair" },
          h("div", {}, filterTitle, filter),
          h("div", {}, h("h3", {}, "Likes best"), liked),
        ),
        h("h3", {}, "Excited most by"),
        stimuli,
      ),
    ),
  );
  return { elements: [element], begin: () => showStage(panel.stages[0]) };
}
