// What was imagined and known after each task, with a slider over time: the model of then where the page has it, else
// the picture that was drawn then.
import { button, h, onceAFrame, percent, say, section } from "./elements.js";
import { run } from "./models.js";
import { paint } from "./picture.js";
import { drawn, normals, uniforms } from "./random.js";

const MOST_CLASSES = 20; // A row each.
const UNNAMED = 5; // Rows where the prior knows no classes.

export function makeTimes(panel, { image, page, shared }) {
  const { moments } = panel;
  const code = page.panels.find(({ kind }) => kind === "code");
  const tasks = [...new Set(moments.flatMap(({ accuracy }) => Object.keys(accuracy)))];
  const picture = h("img", { alt: "", class: "moment" });
  const caption = h("p", { class: "note" });
  const meters = tasks.map((task) => {
    const bar = h("span", { class: "bar" });
    const share = h("span", { class: "share" });
    const element = h("div", { class: "class" }, h("span", { class: "name" }, task), h("span", { class: "track" }, bar), share);
    return { task, bar, share, element };
  });

  // ---- what the model of then imagines, a row a class

  const imagining = moments.some(({ function: name }) => name);
  const named = moments.some(({ priors }) => priors?.some(({ label }) => label !== undefined));
  const labels = named ? panel.names.slice(0, MOST_CLASSES).map((_, label) => label) : Array.from({ length: UNNAMED }, () => -1);
  let seed = 1;
  const rows = (imagining ? labels : []).map((label) => {
    const canvas = h("canvas", { width: image.width * panel.count, height: image.height, role: "img" });
    const unknown = h("span", { class: "unknown" }, "not met yet");
    unknown.style.aspectRatio = `${image.width * panel.count} / ${image.height}`; // Rows stay where they are.
    const name = h("span", { class: "name" }, label < 0 ? "" : panel.names[label]);
    const element = h("div", { class: "then" }, name, canvas, unknown);
    return { label, canvas, unknown, element };
  });
  const other = button("Imagine again", () => {
    seed += 1;
    say("Imagined again");
    return draw();
  });
  const rowsOfThen = h("div", { class: "live" }, ...rows.map((row) => row.element), h("div", { class: "tools" }, other));
  const state = { pictures: [], place: -1 };
  shared.times = state;

  // The same random numbers at every moment: what changes is what the model made of its classes.
  async function imagine({ function: name, priors, met }, label, row) {
    const known = priors.filter((prior) => label < 0 || prior.label === label);
    const normal = normals(1009 * seed + row);
    const uniform = uniforms(7919 + 1009 * seed + row);
    const made = [];
    for (let k = 0; k < panel.count && known.length; k++) {
      const prior = known[Math.floor(uniform() * known.length)];
      const latents = drawn(prior, normal);
      const given = { [code.input]: latents };
      if (code.heads?.input) {
        const wanted = prior.label ?? met[Math.floor(uniform() * met.length)];
        given[code.heads.input] = panel.names.map((_, place) => (place === wanted ? 1 : 0));
      }
      made.push({ label, latents, picture: (await run(name, given))[code.picture] });
    }
    return made;
  }

  const draw = onceAFrame(async () => {
    const place = input.valueAsNumber;
    const moment = moments[place];
    const pictures = [];
    for (const [row, { label, canvas, unknown }] of rows.entries()) {
      if (!moment.function) break;
      const made = await imagine(moment, label, row);
      canvas.hidden = !made.length;
      unknown.hidden = made.length > 0;
      if (!made.length) continue;
      for (const [k, { picture: one }] of made.entries()) paint(canvas, one, image, k);
      canvas.setAttribute("aria-label", `${label < 0 ? "Pictures" : panel.names[label]}, as imagined ${moment.name}`);
      pictures.push(...made);
    }
    Object.assign(state, { pictures, place });
  });
  shared.settled.push(draw.settled);

  // ---- a moment

  function show(place) {
    const { name, png, caption: said, accuracy, why, function: then } = moments[place];
    output.textContent = name;
    input.setAttribute("aria-valuetext", name);
    picture.hidden = !png;
    if (png) {
      picture.src = `data:image/png;base64,${png}`;
      picture.alt = said;
    }
    rowsOfThen.hidden = !then;
    const live = `Imagined now by the model as it was ${name}, from the same random numbers at every moment.`;
    caption.textContent = then ? live : said;
    if (why) caption.append(` This picture was drawn then: ${why}.`);
    for (const { task, bar, share, element } of meters) {
      const value = accuracy[task];
      bar.style.width = `${100 * (value ?? 0)}%`;
      share.textContent = value == null ? "not yet" : percent(value);
      element.classList.toggle("unknown", value == null);
    }
    return draw();
  }

  const last = moments.length - 1;
  const output = h("output", { for: "moment" });
  const input = h("input", {
    type: "range",
    id: "moment",
    min: 0,
    max: last,
    step: 1,
    value: last,
    oninput: () => show(input.valueAsNumber),
  });
  const element = section(
    "From task to task",
    imagining
      ? "What the model imagines as it was when a task was learned, and how many pictures of each task it knew by then."
      : moments.some(({ png }) => png)
        ? "What the model imagined when a task was learned, and how many pictures of each task it knew by then."
        : "How many pictures of each task the model knew when a task was learned.",
    h("div", { class: "slider moments" }, h("label", { for: "moment" }, "Time"), input, output),
    h("div", { class: "two" }, h("div", {}, picture, rowsOfThen, caption), h("div", { class: "classes" }, ...meters.map((m) => m.element))),
  );
  return { elements: [element], begin: () => show(last) };
}
