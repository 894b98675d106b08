// Opens a report from disk in Chromium, uses it as a reader would, and prints what was seen as JSON.
//   node report.mjs REPORT.html CHROMIUM [SCREENSHOT.png]
import { howItReads, launched } from "./browser.mjs";

const [, , page, executablePath, screenshot] = process.argv;
const seen = { requests: [], errors: [] };
// Charts are drawn after the page is there.
const { browser, opened } = await launched(executablePath, page, seen, (tab) =>
  tab.waitForFunction(() => [...document.querySelectorAll(".drawn")].every((chart) => chart.querySelector("svg"))),
);

const tab = await opened({});
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
Object.assign(seen, await howItReads(opened));
await browser.close();
process.stdout.write(JSON.stringify(seen));
