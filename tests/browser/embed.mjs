// Opens a page that embeds a model in Chromium, walks into it by the keyboard, and prints what was seen as JSON.
//   node embed.mjs INDEX.html CHROMIUM
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [, , page, executablePath] = process.argv;
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({ executablePath, args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"] });
const tab = await browser.newPage({ viewport: { width: 1280, height: 900 } });
const seen = { requests: [], errors: [] };
tab.on("request", (request) => /^(data|blob|file):/.test(request.url()) || seen.requests.push(request.url()));
tab.on("console", (said) => ["error", "warning"].includes(said.type()) && seen.errors.push(said.text()));
tab.on("pageerror", (error) => seen.errors.push(String(error)));
await tab.goto(`file://${page}`);
const frame = tab.frames().find((one) => one !== tab.mainFrame());
await frame.evaluate(() => window.reverie.ready.then(() => null));

// By the keyboard alone: the first stop is the way past the model, and then comes what is in it.
await tab.keyboard.press("Tab");
seen.first = await tab.evaluate(() => document.activeElement.textContent);
seen.stops = 1;
while (!(await frame.evaluate(() => document.activeElement?.matches(".swap"))) && seen.stops < 50) {
  await tab.keyboard.press("Tab");
  seen.stops += 1;
}
const shown = () => frame.evaluate(async () => (await window.reverie.settled(), Array.from(window.reverie.shown())));
await tab.keyboard.press("Tab");
const before = await shown();
await tab.keyboard.press("Enter");
const after = await shown();
seen.chosen = before.some((value, place) => value !== after[place]);
seen.label = await frame.evaluate(() => document.activeElement.getAttribute("aria-label"));
seen.alone = await frame.evaluate(() => {
  try {
    return !window.parent.document;
  } catch {
    return true;
  }
});
await tab.evaluate(axe);
const found = await tab.evaluate(() => window.axe.run({ exclude: [["iframe"]] }));
seen.axe = found.violations.map(({ id, impact }) => ({ id, impact }));
await browser.close();
process.stdout.write(JSON.stringify(seen));
