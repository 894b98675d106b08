// Opens a page from disk in Chromium, uses it as a person would, and prints what was seen as JSON.
//   node drive.mjs PAGE.html PLAN.json CHROMIUM
import { readFile } from "node:fs/promises";
import { howItReads, launched } from "./browser.mjs";

const [, , page, planFile, executablePath] = process.argv;
const plan = JSON.parse(await readFile(planFile, "utf8"));
const seen = { requests: [], errors: [], changed: {}, functions: {}, steps: {} };
const { browser, opened } = await launched(executablePath, page, seen, (tab) =>
  tab.evaluate(() => window.reverie.ready.then(() => null)),
);

const firstPicture = (tab) => tab.evaluate(() => performance.getEntriesByName("first-picture")[0].startTime);
seen.firstPictures = [];
for (let k = 0; k < 4; k++) {
  const again = await opened({});
  seen.firstPictures.push(await firstPicture(again));
  await again.close();
}
const tab = await opened({});
seen.firstPictures.push(await firstPicture(tab));

// All canvases of the page as one number.
const looks = () =>
  tab.evaluate(async () => {
    await window.reverie.settled();
    let sum = 0;
    for (const canvas of document.querySelectorAll("canvas")) {
      if (!canvas.width || canvas.closest("[hidden]")) continue;
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
      for (let k = 0; k < data.length; k += 4) sum = (sum * 31 + data[k] + 7 * data[k + 1] + 13 * data[k + 2]) % 2147483647;
    }
    return sum;
  });
async function changes(name, act) {
  const before = await looks();
  await act();
  seen.changed[name] = (await looks()) !== before;
}
const state = () =>
  tab.evaluate(async () => {
    await window.reverie.settled();
    const { code, words, maps } = window.reverie.state();
    return {
      shown: Array.from(window.reverie.shown()),
      seen: code?.seen ? Object.fromEntries(Object.entries(code.seen).map(([k, v]) => [k, Array.from(v)])) : null,
      picture: code?.picture ? Array.from(code.picture) : null,
      latents: code ? Array.from(code.latents) : null,
      classes: code ? Array.from(code.classes) : null,
      words: words?.flatMap(({ part }) => Array.from(part)) ?? null,
      maps: maps ? Object.fromEntries(Object.entries(maps).map(([k, v]) => [k, Array.from(v)])) : null,
    };
  });

// ---- numbers

for (const [name, rows] of Object.entries(plan.functions)) {
  seen.functions[name] = await tab.evaluate(
    async ([name, rows]) => {
      const answers = [];
      for (const row of rows) {
        const made = await window.reverie.run(name, row);
        answers.push(Object.fromEntries(Object.entries(made).map(([key, value]) => [key, Array.from(value)])));
      }
      return answers;
    },
    [name, rows],
  );
}

// ---- what a person does

await changes("test picture", () => tab.getByRole("button", { name: /^Test picture 2,/ }).click());
await changes("file", () => tab.setInputFiles("input[type=file]", plan.picture));
seen.file = await state();
await tab.getByRole("button", { name: /^Test picture 3,/ }).click();
await changes("drop", async () => {
  const content = (await readFile(plan.picture)).toString("base64");
  await tab.evaluate(async (content) => {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    const given = new DataTransfer();
    given.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
    document.dispatchEvent(new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true }));
  }, content);
});
seen.drop = await state();

const slider = tab.locator(".slider:not(.moments) input[type=range]").first();
if (await slider.count()) {
  await changes("slider", async () => {
    await slider.focus();
    await tab.keyboard.press("Home");
  });
  seen.slider = await state();
  // From the event to the painted picture, and until everything that follows it is painted.
  seen.steps = await tab.evaluate(async () => {
    const input = document.querySelector(".slider:not(.moments) input[type=range]");
    const { timings } = window.reverie.state();
    const from = timings.length;
    const all = [];
    for (let k = 0; k < 100; k++) {
      input.value = +input.min + ((input.max - input.min) * k) / 100;
      const began = performance.now();
      input.dispatchEvent(new Event("input"));
      await window.reverie.settled();
      all.push(performance.now() - began);
    }
    const middle = (values) => values.sort((a, b) => a - b)[values.length >> 1];
    return { picture: middle(timings.slice(from)), all: middle(all) };
  });
  await changes("random", () => tab.getByRole("button", { name: "Random" }).click());
  await tab.getByRole("button", { name: "Keep as first" }).click();
  await tab.getByRole("button", { name: "Random" }).click();
  await tab.evaluate(() => window.reverie.settled());
  await tab.getByRole("button", { name: "Keep as second" }).click();
  await changes("mix", () => tab.getByLabel("Between the first and the second picture").press("PageUp"));
}
if (plan.draws) {
  await changes("draw", async () => {
    await tab.getByRole("button", { name: "Clear" }).click();
    const box = await tab.locator(".pad").boundingBox();
    await tab.mouse.move(box.x + box.width * 0.45, box.y + box.height * 0.25);
    await tab.mouse.down();
    for (let k = 0; k <= 10; k++) await tab.mouse.move(box.x + box.width * 0.45, box.y + box.height * (0.25 + 0.05 * k));
    await tab.mouse.up();
  });
  seen.draw = await state();
  await changes("draw by keys", async () => {
    await tab.locator(".pad").focus();
    await tab.keyboard.press("Space");
    for (let k = 0; k < 6; k++) await tab.keyboard.press("ArrowRight");
    await tab.keyboard.press("Space");
  });
}
if (plan.classes) await changes("class", () => tab.locator("button.class").nth(1).click());
if (plan.imagines) await changes("imagine", () => tab.getByRole("button", { name: "Others" }).first().click());
if (plan.moments) {
  const time = tab.locator(".moments input");
  const then = () =>
    tab.evaluate(async () => {
      await window.reverie.settled();
      const { place, pictures } = window.reverie.state().times;
      return {
        place,
        unknown: [...document.querySelectorAll(".live .unknown")].filter((said) => said.checkVisibility()).length,
        pictures: pictures.map(({ label, latents, picture }) => ({ label, latents: [...latents], picture: [...picture] })),
      };
    });
  const before = await tab.locator(".moments output").textContent();
  await time.press("Home");
  seen.changed.time = (await tab.locator(".moments output").textContent()) !== before;
  seen.moments = [await then()];
  for (let place = 1; place < plan.moments; place++) {
    if (plan.live) await changes(`time ${place}`, () => time.press("ArrowRight"));
    else await time.press("ArrowRight");
    seen.moments.push(await then());
  }
  if (plan.live) {
    await changes("imagine again", () => tab.getByRole("button", { name: "Imagine again" }).click());
    seen.again = await then();
  }
}
if (plan.words) {
  seen.spoken = [];
  for (const [k, text] of plan.words.entries()) {
    await changes(`words ${k}`, async () => {
      await tab.locator("#expression").fill(text);
      await tab.keyboard.press("Enter");
    });
    seen.spoken.push(await tab.locator(".wrong").textContent());
  }
  await tab.locator("#expression").fill("nonsense");
  await tab.keyboard.press("Enter");
  seen.refused = await tab.locator(".wrong").textContent();
  await changes("chip", () => tab.locator(".chip").last().click());
  await changes("walk", () => tab.locator(".walk button").first().click());
}
if (plan.neurons) {
  await changes("neuron", () => tab.locator(".neurons button").nth(1).click());
  await changes("stage", () => tab.getByRole("button", { name: "stage 2" }).click());
}

// ---- how it reads

Object.assign(seen, await howItReads(opened, (shown) => shown.evaluate(() => window.reverie.settled())));
if (plan.screenshot) await tab.screenshot({ path: plan.screenshot, fullPage: true });
await browser.close();
process.stdout.write(JSON.stringify(seen));
