// Pictures of a class that nobody has seen, and what the model makes of them.
import { button, h, onceAFrame, percent, say, section } from "./elements.js";
import { run } from "./models.js";
import { paint } from "./picture.js";
import { drawn, normals, uniforms } from "./random.js";

export function makeImagine(panel, { image, page, pad, shared }) {
  const code = page.panels.find(({ kind }) => kind === "code");
  const head = code.heads ? Object.keys(code.heads.names)[0] : null;
  const names = head ? code.heads.names[head] : [];
  const usable = head ? (code.heads.usable[head] ?? names.map((_, k) => k)) : [];
  let label = panel.named ? usable[0] : -1;
  let seed = 1;

  const said = (k, seen) => `Imagined picture ${k + 1}${seen ? `, seen as ${seen}` : ""}: perceive it`;
  const cells = Array.from({ length: panel.count }, (_, k) => {
    const canvas = h("canvas", { width: image.width, height: image.height, "aria-hidden": "true" });
    const seen = h("span", {}, "");
    const cell = { canvas, seen, picture: null };
    cell.element = h(
      "button",
      {
        type: "button",
        class: "swap wide",
        "aria-label": said(k),
        onclick: () => {
          pad.show(cell.picture.map((value) => Math.max(0, Math.min(1, value))));
          return shared.see(pad.floats());
        },
      },
      canvas,
      seen,
    );
    return cell;
  });

  const draw = onceAFrame(async () => {
    const normal = normals(seed);
    const uniform = uniforms(seed + 7919);
    const priors = code.priors.filter((prior) => label < 0 || prior.label === undefined || prior.label === label);
    let right = 0;
    for (const [k, cell] of cells.entries()) {
      const prior = priors[Math.floor(uniform() * priors.length)];
      const given = { [code.input]: drawn(prior, normal) };
      if (code.heads?.input) {
        const wanted = prior.label ?? usable[Math.floor(uniform() * usable.length)];
        given[code.heads.input] = names.map((_, k) => (k === wanted ? 1 : 0));
      }
      cell.picture = (await run(code.decode, given))[code.picture];
      paint(cell.canvas, cell.picture, image);
      if (!code.heads?.output) continue;
      const clipped = cell.picture.map((value) => Math.max(0, Math.min(1, value)));
      const classes = (await run(code.encode, { [code.images]: clipped }))[code.heads.output];
      const best = classes.indexOf(Math.max(...classes));
      cell.seen.textContent = `${names[best]} ${percent(classes[best])}`;
      cell.element.setAttribute("aria-label", said(k, cell.seen.textContent));
      if (best === label) right += 1;
    }
    if (panel.named && code.heads.output) result.textContent = `${right} of ${cells.length} are seen as ${names[label]} by the model itself.`;
  });
  shared.settled.push(draw.settled);

  const result = h("p", { class: "note", role: "status" });
  const choices = panel.named
    ? h(
        "div",
        { class: "tools", role: "group", "aria-label": "Class to imagine" },
        ...usable.map((k) =>
          h(
            "button",
            {
              type: "button",
              "aria-pressed": String(k === label),
              onclick: (event) => {
                label = k;
                for (const other of choices.children) other.setAttribute("aria-pressed", String(other === event.target));
                say(`Imagined: ${names[k]}`);
                return draw();
              },
            },
            names[k],
          ),
        ),
      )
    : null;
  const element = section(
    "Imagine",
    panel.named
      ? "Pictures of a class that nobody has seen: a code is drawn from what the model remembers of the class."
      : "Pictures that nobody has seen: a code is drawn from the prior.",
    choices,
    h("div", { class: "strip" }, ...cells.map((cell) => cell.element)),
    result,
    h(
      "div",
      { class: "tools" },
      button("Others", () => {
        seed += 1;
        return draw();
      }),
    ),
  );
  return { elements: [element], begin: draw };
}
