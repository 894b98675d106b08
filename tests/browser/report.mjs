// Opens a report from disk in Chromium, uses it as a reader would, and prints what was seen as JSON.
//   node report.mjs REPORT.html CHROMIUM [SCREENSHOT.png]
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [, , page, executablePath, screenshot] = process.argv;
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({ executablePath, args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"] });
const seen = { requests: [], errors: [], axe: {} };

async function opened(options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const tab = await context.newPage();
  tab.on("request", (request) => /^(data|blob|file):/.test(request.url()) || seen.requests.push(request.url()));
  tab.on("console", (said) => ["error", "warning"].includes(said.type()) && seen.errors.push(said.text()));
  tab.on("pageerror", (error) => seen.errors.push(String(error)));
  await tab.goto(`file://${page}`);
  return tab;
}

const tab = await opened({});
// Charts are drawn after the page is there.
await tab.waitForFunction(() => [...document.querySelectorAll(".drawn")].every((chart) => chart.querySelector("svg")));
seen.charts = await tab.locator(".drawn svg").count();
if (seen.charts) {
  const chart = tab.locator(".drawn svg").first();
  await chart.scrollIntoViewIfNeeded();
  const box = await chart.boundingBox();
  for (let k = 3; k < 18 && !seen.tooltip; k++) {
    await tab.mouse.move(box.x + (box.width * k) / 20, box.y + box.height / 2);
    await tab.waitForTimeout(30);
    seen.tooltip = await tab.evaluate(() => document.querySelector("#vg-tooltip-element.visible")?.textContent ?? "");
  }
  await tab.mouse.move(0, 0);
  await tab.locator(".drawn summary").first().click();
  const saved = tab.waitForEvent("download");
  await tab.getByText("Save as SVG").first().click();
  seen.saved = (await saved).suggestedFilename();
}

// ---- pictures, by the keyboard alone

const buttons = tab.locator("button.enlarge");
seen.pictures = await buttons.count();
const large = () =>
  tab.evaluate(() => {
    const dialog = document.getElementById("large");
    const image = dialog.querySelector("img");
    return { open: dialog.open, source: image.src, width: image.getBoundingClientRect().width, words: dialog.querySelector("p").textContent };
  });
if (seen.pictures) {
  const small = await buttons.first().locator("img").evaluate((image) => image.getBoundingClientRect().width);
  await buttons.first().focus();
  await tab.keyboard.press("Enter");
  const first = await large();
  await tab.keyboard.press("ArrowRight");
  const second = await large();
  await tab.keyboard.press("Escape");
  const after = await large();
  const back = await tab.evaluate(() => [...document.querySelectorAll("button.enlarge")].indexOf(document.activeElement));
  seen.large = {
    opened: first.open,
    larger: first.width >= small,
    words: first.words,
    turned: second.source !== first.source,
    closed: !after.open,
    back,
  };
}

// ---- where it leads, and how it reads

seen.links = await tab.evaluate(() => [...document.querySelectorAll("a[href]:not([download])")].map((link) => link.href));
seen.inside = await tab.evaluate(() =>
  [...document.querySelectorAll('a[href^="#"]:not([download])')].map((link) => !!document.getElementById(decodeURIComponent(link.hash.slice(1)))),
);
if (screenshot) await tab.screenshot({ path: screenshot, fullPage: true });
for (const colorScheme of ["light", "dark"]) {
  const shown = await opened({ colorScheme });
  await shown.waitForFunction(() => [...document.querySelectorAll(".drawn")].every((chart) => chart.querySelector("svg")));
  await shown.evaluate(axe);
  const found = await shown.evaluate(() => window.axe.run());
  seen.axe[colorScheme] = found.violations.map(({ id, impact, nodes }) => ({
    id,
    impact,
    nodes: nodes.slice(0, 3).map(({ html }) => html.slice(0, 200)),
  }));
}
const phone = await opened({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
seen.wide = await phone.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
await browser.close();
process.stdout.write(JSON.stringify(seen));
