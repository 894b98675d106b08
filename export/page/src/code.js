// Pictures to a code and back: classes, a slider a latent, mixing, and the same style in every class.
import { button, h, onceAFrame, percent, say, section } from "./elements.js";
import { run } from "./models.js";
import { paint } from "./picture.js";
import { drawn, normals } from "./random.js";

const FIRST = 12; // Sliders that are shown before more are asked for.
const MOST_CLASSES = 24; // For each of which the style is shown.

export function makeCode(panel, { image, pad, shared }) {
  const heads = panel.heads ? Object.entries(panel.heads.names).map(([name, classes]) => ({ name, classes })) : [];
  let start = 0;
  for (const head of heads) {
    head.start = start;
    head.usable = panel.heads.usable[head.name] ?? head.classes.map((_, k) => k);
    start += head.classes.length;
  }
  const chosen = Boolean(panel.heads?.input); // Whether classes change pictures.
  const told = Boolean(panel.heads?.output); // Whether classes are seen in pictures.
  const state = { latents: Float32Array.from(panel.rest), classes: new Float32Array(start) };
  if (!told) for (const head of heads) state.classes[head.start + head.usable[0]] = 1;
  shared.code = state;
  let seed = 1;

  // ---- what is shown

  const canvas = h("canvas", {
    class: "large",
    width: image.width,
    height: image.height,
    role: "img",
    "aria-label": "What the model imagines from the code",
  });

  const bars = heads.map((head) => {
    const rows = head.classes.map((name, label) => {
      const meter = h("span", { class: "bar" });
      const share = h("span", { class: "share" });
      const inside = [h("span", { class: "name" }, name), h("span", { class: "track" }, meter), share];
      const usable = chosen && head.usable.includes(label);
      const row = usable
        ? h("button", { type: "button", class: "class", onclick: () => choose(head, label) }, ...inside)
        : h("div", { class: "class" }, ...inside);
      return { row, meter, share, usable };
    });
    const element = h(
      "fieldset",
      { class: rows.length > 12 ? "classes many" : "classes" },
      h("legend", {}, head.name),
      ...rows.map(({ row }) => row),
    );
    return { head, rows, element };
  });

  const sliders = panel.units.map((unit, place) => {
    const id = `unit-${unit.index}`;
    const input = h("input", {
      type: "range",
      id,
      min: unit.low,
      max: unit.high,
      step: (unit.high - unit.low) / 200,
      oninput: () => {
        stop();
        say("");
        state.latents[unit.index] = input.valueAsNumber;
        output.textContent = input.valueAsNumber.toFixed(2);
        draw();
      },
    });
    const output = h("output", { for: id });
    const note = `says ${percent(unit.says)} of the strongest${unit.note ? `, ${unit.note}` : ""}`;
    const label = h("label", { for: id, title: note }, `${panel.what} ${unit.index + 1}`);
    const says = h("span", { class: "says", title: note }, h("span", { class: "bar" }));
    says.firstChild.style.width = `${100 * unit.says}%`;
    const element = h("div", { class: "slider" }, label, says, input, output);
    element.hidden = place >= FIRST;
    return { unit, input, output, element };
  });
  const more =
    sliders.length > FIRST
      ? button(`All ${sliders.length}`, () => {
          for (const slider of sliders) slider.element.hidden = false;
          more.remove();
          sliders[FIRST].input.focus();
        })
      : null;

  const swapped = heads.length === 1 && chosen && heads[0].usable.length <= MOST_CLASSES ? heads[0] : null;
  const swaps = (swapped?.usable ?? []).map((label) => {
    const small = h("canvas", { width: image.width, height: image.height, "aria-hidden": "true" });
    const name = swapped.classes[label];
    const element = h(
      "button",
      { type: "button", class: "swap", "aria-label": `This style as ${name}`, onclick: () => choose(swapped, label) },
      small,
      h("span", {}, name),
    );
    return { label, small, element };
  });

  // ---- what happens

  function inputs(latents, classes) {
    const given = { [panel.input]: latents };
    if (chosen) given[panel.heads.input] = classes;
    return given;
  }

  async function decoded(latents, classes) {
    return (await run(panel.decode, inputs(latents, classes)))[panel.picture];
  }

  const draw = onceAFrame(async () => {
    if (!panel.decode) return;
    const began = performance.now();
    state.picture = await decoded(state.latents, state.classes);
    paint(canvas, state.picture, image);
    shared.timings.push(performance.now() - began);
    drawSwaps();
  });
  const drawSwaps = onceAFrame(async () => {
    for (const { label, small } of swaps) {
      paint(small, await decoded(state.latents, pure(swapped, label)), image);
    }
    await new Promise(requestAnimationFrame);
  });
  shared.settled.push(async () => {
    await perceive.settled();
    await draw.settled();
    await drawSwaps.settled();
  });

  function pure(head, label) {
    const classes = state.classes.slice();
    classes.fill(0, head.start, head.start + head.classes.length);
    classes[head.start + label] = 1;
    return classes;
  }

  function update() {
    for (const { head, rows } of bars) {
      const part = state.classes.subarray(head.start, head.start + head.classes.length);
      const best = part.indexOf(Math.max(...part));
      rows.forEach(({ row, meter, share, usable }, label) => {
        meter.style.width = `${100 * part[label]}%`;
        share.textContent = percent(part[label]);
        row.classList.toggle("best", label === best);
        if (usable) row.setAttribute("aria-pressed", String(part[label] > 0.5));
      });
    }
    for (const { unit, input, output } of sliders) {
      input.value = state.latents[unit.index];
      output.textContent = state.latents[unit.index].toFixed(2);
    }
  }

  function set(latents, classes, played = false) {
    if (!played) stop();
    state.latents = Float32Array.from(latents);
    state.classes = Float32Array.from(classes);
    update();
    return draw();
  }

  function choose(head, label) {
    say(`${head.name}: ${head.classes[label]}, in the same style`);
    return set(state.latents, pure(head, label));
  }

  const perceive = onceAFrame(async (picture) => {
    const seen = await run(panel.encode, { [panel.images]: picture });
    state.seen = seen;
    const latents = panel.output ? seen[panel.output] : state.latents;
    const classes = told ? seen[panel.heads.output] : state.classes;
    const drawing = set(latents, classes);
    if (told) say(`Seen: ${heads.map((head) => best(head, classes)).join(", ")}`);
    await drawing;
  });

  function best(head, classes) {
    return head.classes
      .map((name, k) => [classes[head.start + k], name])
      .sort((a, b) => b[0] - a[0])
      .filter(([share], place) => place === 0 || (place === 1 && share > 0.005))
      .map(([share, name]) => `${name} ${percent(share)}`)
      .join(", ");
  }

  function random() {
    const normal = normals(seed++);
    const uniform = Math.abs(normal()) % 1;
    let classes = state.classes;
    let label = 0;
    for (const head of heads) {
      if (!chosen) break;
      label = head.usable[Math.floor(uniform * head.usable.length)];
      classes = pure(head, label);
    }
    const prior = panel.priors[panel.priors.length > 1 ? label : 0];
    say("A random code");
    return set(drawn(prior, normal), classes);
  }

  // ---- between two pictures

  const kept = { first: null, second: null };
  const thumbs = {};
  function keep(which) {
    kept[which] = { latents: state.latents.slice(), classes: state.classes.slice() };
    paint(thumbs[which], state.picture, image);
    mix.disabled = play.disabled = !(kept.first && kept.second);
    say(`Kept as the ${which} picture`);
  }
  function mixed(played) {
    const share = mix.valueAsNumber;
    const between = (a, b) => a.map((value, k) => (1 - share) * value + share * b[k]);
    set(between(kept.first.latents, kept.second.latents), between(kept.first.classes, kept.second.classes), played);
  }
  const mix = h("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.01,
    value: 0,
    disabled: true,
    "aria-label": "Between the first and the second picture",
    oninput: () => mixed(false),
  });
  let playing = 0;
  // Whatever else is chosen ends what is played.
  function stop() {
    cancelAnimationFrame(playing);
    playing = 0;
  }
  const play = button(
    "Play",
    () => {
      stop();
      const began = performance.now();
      const step = (now) => {
        const share = Math.min(1, (now - began) / 2000);
        mix.value = share;
        mixed(true);
        if (share < 1) playing = requestAnimationFrame(step);
      };
      playing = requestAnimationFrame(step);
    },
    { disabled: true },
  );
  const ends = ["first", "second"].map((which) => {
    thumbs[which] = h("canvas", { width: image.width, height: image.height, class: "thumb", "aria-hidden": "true" });
    return h("div", { class: "end" }, thumbs[which], button(`Keep as ${which}`, () => keep(which)));
  });

  shared.perceive.push(perceive);

  const code = h("div", { class: "code" }, ...bars.map(({ element }) => element));
  if (sliders.length) {
    code.append(
      h(
        "div",
        { class: "sliders" },
        h("h3", {}, `${panel.what[0].toUpperCase()}${panel.what.slice(1)}, what says most first`),
        ...sliders.map(({ element }) => element),
        more,
      ),
    );
  }
  const imagined = panel.decode
    ? h(
        "div",
        { class: "imagined" },
        canvas,
        h(
          "div",
          { class: "tools" },
          button("Random", random),
          button("At rest", () => {
            say("At rest");
            return set(panel.rest, state.classes);
          }),
          button("Perceive this", () => {
            pad.show(state.picture.map((value) => Math.max(0, Math.min(1, value))));
            return shared.see(pad.floats());
          }),
        ),
      )
    : null;
  const element = section(
    "Perceive and imagine",
    "",
    h(
      "div",
      { class: "three" },
      h("div", {}, h("h3", {}, "Shown"), pad.element),
      h("div", {}, h("h3", {}, "Code"), code),
      imagined ? h("div", {}, h("h3", {}, "Imagined from the code"), imagined) : null,
    ),
  );
  const parts = [element];
  if (swaps.length) {
    parts.push(section("This style in every class", "", h("div", { class: "strip" }, ...swaps.map((s) => s.element))));
  }
  if (panel.decode) {
    parts.push(
      section("Between two pictures", "", h("div", { class: "between" }, ends[0], h("div", { class: "mix" }, mix, play), ends[1])),
    );
  }
  return { elements: parts };
}
