// Words to pictures, pictures to words, and a walk from concept to concept.
import { button, h, onceAFrame, percent, say, section } from "./elements.js";
import { guided } from "./guidance.js";
import { run } from "./models.js";
import { paint } from "./picture.js";
import { drawn, normals } from "./random.js";
import { makeVocabulary } from "./vocabulary.js";

export function makeWords(panel, { image, page, pad, shared }) {
  const vocabulary = makeVocabulary(panel.attributes, panel.operators, panel.fillers);
  const code = page.panels.find(({ kind }) => kind === "code");
  const { attributes, starts } = vocabulary;
  // What stands on either side of the last operator: symbols, or compositions.
  let sides = [{ symbol: {} }, { symbol: {} }];
  let operator = "";
  let seed = 1;

  // ---- concepts

  const anything = () => ({ mean: new Float32Array(code.rest.length), log_variance: new Float32Array(code.rest.length) });

  const concept = (symbol) =>
    Object.keys(symbol).length ? run(panel.concept, { symbols: vocabulary.encode(symbol) }) : anything();

  async function meaning(expression) {
    if (expression.symbol) return concept(expression.symbol);
    return composed(await meaning(expression.first), expression.operator, await meaning(expression.second));
  }

  async function composed(first, between, second) {
    return run(panel.compose, {
      first: first.mean,
      first_log_variance: first.log_variance,
      operator: panel.operators.map((name) => (name === between ? 1 : 0)),
      second: second.mean,
      second_log_variance: second.log_variance,
    });
  }

  function draws(concept, count, from) {
    const normal = normals(from);
    const prior = guided(concept, panel.guidance);
    return Array.from({ length: count }, () => drawn(prior, normal));
  }

  async function decoded(latents) {
    return (await run(panel.decode, { [code.input]: latents }))[code.picture];
  }

  // ---- rows of pictures

  function makeRow(title) {
    const name = h("h3", {}, title);
    const said = h("p", { class: "note" });
    const cells = Array.from({ length: panel.count }, (_, k) => {
      const canvas = h("canvas", { width: image.width, height: image.height, "aria-hidden": "true" });
      const cell = { canvas, picture: null };
      cell.element = h(
        "button",
        {
          type: "button",
          class: "swap wide",
          "aria-label": `Imagined picture ${k + 1}: perceive it`,
          onclick: () => {
            pad.show(cell.picture.map((value) => Math.max(0, Math.min(1, value))));
            return shared.see(pad.floats());
          },
        },
        canvas,
      );
      return cell;
    });
    const element = h("div", { class: "row" }, name, said, h("div", { class: "strip" }, ...cells.map((c) => c.element)));
    return {
      element,
      async show(title, found, note) {
        name.textContent = title;
        said.textContent = note ?? "";
        const latents = draws(found, cells.length, seed);
        for (const [k, cell] of cells.entries()) {
          cell.picture = await decoded(latents[k]);
          paint(cell.canvas, cell.picture, image);
        }
      },
    };
  }
  const rows = [makeRow(""), makeRow(""), makeRow("")];

  async function inWords(latents) {
    const { probabilities } = await run(panel.words, { [code.input]: latents });
    return attributes.map(({ name, values, phrases }, k) => {
      const part = probabilities.subarray(starts[k], starts[k] + values.length);
      const best = part.indexOf(Math.max(...part));
      return { name, phrase: phrases[best], share: part[best], part };
    });
  }

  const draw = onceAFrame(async () => {
    const found = [await meaning(sides[0]), await meaning(sides[1])];
    const phrases = sides.map(vocabulary.textOf);
    const whole = vocabulary.textOf({ first: sides[0], operator, second: sides[1] });
    await rows[0].show(phrases[0], found[0]);
    rows[1].element.hidden = rows[2].element.hidden = !operator;
    if (operator) {
      await rows[1].show(phrases[1], found[1]);
      const both = await composed(found[0], operator, found[1]);
      const named = (await inWords(both.mean)).filter(({ share }) => share > 0.5);
      const words = named.map(({ phrase, share }) => `${phrase} ${percent(share)}`).join(", ") || "nothing is named";
      await rows[2].show(whole, both, `In the model's own words: ${words}.`);
      say(`${whole}: ${words}`);
    } else say(`Imagined: ${phrases[0]}`);
  });
  shared.settled.push(draw.settled);

  // ---- asking

  const text = h("input", {
    type: "text",
    id: "expression",
    value: panel.example,
    spellcheck: "false",
    autocomplete: "off",
    onkeydown: (event) => event.key === "Enter" && typed(),
  });
  const wrong = h("p", { class: "wrong", role: "alert" });

  function typed() {
    try {
      const found = vocabulary.parseExpression(text.value);
      sides = found.symbol ? [found, { symbol: {} }] : [found.first, found.second];
      operator = found.operator ?? "";
      wrong.textContent = "";
    } catch (error) {
      wrong.textContent = `${error.message}; say for example "${panel.example}".`;
      return;
    }
    update();
    return Promise.all([draw(), walk()]);
  }

  function clicked(place, name, value) {
    const symbol = { ...sides[place].symbol };
    if (symbol[name] === value) delete symbol[name];
    else symbol[name] = value;
    sides[place] = { symbol };
    asked();
  }

  function asked() {
    text.value = vocabulary.textOf(operator ? { first: sides[0], operator, second: sides[1] } : sides[0]);
    wrong.textContent = "";
    update();
    return Promise.all([draw(), walk()]);
  }

  const chips = [];
  const columns = ["First", "Second"].map((title, place) =>
    h(
      "fieldset",
      { class: "words" },
      h("legend", {}, title),
      ...attributes.map(({ name, values }) =>
        h(
          "div",
          { class: "chips", role: "group", "aria-label": `${title}: ${name}` },
          h("span", { class: "name" }, name.replaceAll("_", " ")),
          ...values.map((value) => {
            const chip = button(value, () => clicked(place, name, value), { class: "chip" });
            chips.push({ chip, place, name, value });
            return chip;
          }),
        ),
      ),
    ),
  );
  const between = ["", ...panel.operators].map((name) => ({
    name,
    chip: button(name || "alone", () => {
      operator = name;
      return asked();
    }),
  }));

  function update() {
    for (const { chip, place, name, value } of chips) chip.setAttribute("aria-pressed", String(sides[place].symbol?.[name] === value));
    for (const { chip, name } of between) chip.setAttribute("aria-pressed", String(name === operator));
    columns[1].hidden = !operator;
  }

  // ---- the walk

  const path = h("div", { class: "walk" });
  const walk = onceAFrame(async () => {
    const symbol = sides[0].symbol ?? {}; // A composition has no words to leave out.
    const without = Object.keys(symbol).map((name) => {
      const { [name]: gone, ...rest } = symbol;
      return { symbol: rest, change: `without ${vocabulary.phrase({ [name]: gone })}` };
    });
    const open = attributes.filter(({ name }) => !(name in symbol));
    const next = open.slice(0, 1).flatMap(({ name, values }) =>
      values.map((value) => ({ symbol: { ...symbol, [name]: value }, change: `and ${vocabulary.phrase({ [name]: value })}` })),
    );
    const level = async (title, steps) => {
      const cells = [];
      for (const step of steps) {
        const canvas = h("canvas", { width: image.width, height: image.height, "aria-hidden": "true" });
        paint(canvas, await decoded((await concept(step.symbol)).mean), image);
        cells.push(
          h(
            "button",
            {
              type: "button",
              class: "swap wide",
              onclick: () => {
                sides[0] = { symbol: step.symbol };
                return asked();
              },
            },
            canvas,
            h("span", {}, step.change),
          ),
        );
      }
      return h("div", { role: "group", "aria-label": title }, h("h3", {}, title), h("div", { class: "strip" }, ...cells));
    };
    const within = path.contains(document.activeElement);
    path.replaceChildren(
      ...(without.length ? [await level("Up: leave a word out", without)] : []),
      ...(next.length ? [await level(`Down: say the ${open[0].name.replaceAll("_", " ")}`, next)] : []),
    );
    if (within) path.querySelector("button")?.focus(); // The keyboard goes on from where it was.
  });
  shared.settled.push(walk.settled);

  // ---- what is shown, in words

  const told = h("div", { class: "told" });
  const tell = onceAFrame(async (picture) => {
    const { mean } = await run(panel.encode, { [code.images]: picture });
    const found = await inWords(mean);
    shared.words = found;
    told.replaceChildren(
      ...found.map(({ name, part }, k) => {
        const order = Array.from(part.keys()).sort((a, b) => part[b] - part[a]);
        return h(
          "div",
          { class: "said" },
          h("h3", {}, name.replaceAll("_", " ")),
          ...order.slice(0, 3).map((value) => {
            const bar = h("span", { class: "bar" });
            bar.style.width = `${100 * part[value]}%`;
            return h(
              "div",
              { class: "class" },
              h("span", { class: "name" }, attributes[k].values[value]),
              h("span", { class: "track" }, bar),
              h("span", { class: "share" }, percent(part[value])),
            );
          }),
        );
      }),
    );
    say(`Seen: ${found.map(({ phrase, share }) => `${phrase} ${percent(share)}`).join(", ")}`);
  });
  shared.perceive.push(tell);
  shared.settled.push(tell.settled);

  const imagine = section(
    "Say it",
    `Type words or click them. What they leave open varies.${panel.operators.length ? ` ${panel.operators.join(", ")} compose two concepts.` : ""}`,
    h(
      "div",
      { class: "ask" },
      h("label", { for: "expression" }, "Words"),
      text,
      button("Imagine", typed),
      button("Others", () => {
        seed += 1;
        return draw();
      }),
    ),
    wrong,
    ...rows.map(({ element }) => element),
    panel.operators.length
      ? h("div", { class: "tools", role: "group", "aria-label": "Operator" }, ...between.map(({ chip }) => chip))
      : null,
    h("details", { open: true }, h("summary", {}, "All words"), h("div", { class: "sides" }, ...columns)),
  );
  const walked = section("Walk the concepts", "From what is named first, a step at a time: each picture is the middle of its concept.", path);
  const seen = section("What is shown, in words", "How probable it is that each value would be named.", told);
  return { elements: [seen, imagine, walked], begin: typed };
}
