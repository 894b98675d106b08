// Chromium as every test of a page uses it: what it asks for and complains of is kept, and how a page reads is looked at.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const ARGUMENTS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

// {browser, opened(options)}: a tab with a page from disk, once `ready(tab)` is done; into `seen` come its requests and errors.
export async function launched(executablePath, page, seen, ready) {
  const browser = await chromium.launch({ executablePath, args: ARGUMENTS });
  async function opened(options) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const tab = await context.newPage();
    tab.on("request", (request) => /^(data|blob|file):/.test(request.url()) || seen.requests.push(request.url()));
    tab.on("console", (said) => ["error", "warning"].includes(said.type()) && seen.errors.push(said.text()));
    tab.on("pageerror", (error) => seen.errors.push(String(error)));
    await tab.goto(`file://${page}`);
    await ready(tab);
    return tab;
  }
  return { browser, opened };
}

// {axe: what is found in either color scheme, wide: by how many pixels a narrow phone has to scroll sideways}.
export async function howItReads(opened, settled = () => null) {
  const source = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  const axe = {};
  for (const colorScheme of ["light", "dark"]) {
    const shown = await opened({ colorScheme });
    await settled(shown);
    await shown.evaluate(source);
    const found = await shown.evaluate(() => window.axe.run());
    axe[colorScheme] = found.violations.map(({ id, impact, nodes }) => ({
      id,
      impact,
      nodes: nodes.slice(0, 3).map(({ html }) => html.slice(0, 200)),
    }));
  }
  const phone = await opened({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  return { axe, wide };
}
