// Takes pictures of pages in Chromium: at three widths, light and dark, and as printed.
// usage: node shoot.mjs FOLDER [--whole] NAME=PAGE.html...
//        writes FOLDER/NAME-WIDTH-SCHEME.png and FOLDER/NAME-print.png; --whole: of whole pages, else of their beginnings;
//        needs playwright-core, in the node_modules folder LONGHAUL_NODE_MODULES or by NODE_PATH,
//        and Chromium, as LONGHAUL_CHROMIUM or /usr/bin/chromium

import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, ...rest] = process.argv.slice(2);
const isWhole = rest[0] === "--whole";
const pages = rest.slice(isWhole ? 1 : 0).map((argument) => argument.split(/=(.*)/s));
if (pages.length === 0) {
  console.error("usage: node shoot.mjs FOLDER [--whole] NAME=PAGE.html...");
  process.exit(2);
}
const modules = process.env.LONGHAUL_NODE_MODULES;
const { chromium } = createRequire(modules ? join(resolve(modules), "_") : import.meta.url)("playwright-core");

/** The windows, in pixels: a desktop, a phone, and a wide screen. */
const WINDOWS = [
  [1280, 1400],
  [390, 1300],
  [2000, 1200],
];

/** A sheet of A4, in pixels. */
const SHEET = [794, 1123];

async function shoot(browser, [name, path], [width, height], colorScheme, media) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: "reduce" });
  const page = await context.newPage();
  await page.emulateMedia({ media, colorScheme });
  await page.goto(pathToFileURL(resolve(path)).href, { waitUntil: "load" });
  const file = media === "print" ? `${name}-print.png` : `${name}-${width}-${colorScheme}.png`;
  await page.screenshot({ path: join(folder, file), fullPage: isWhole });
  await context.close();
}

const browser = await chromium.launch({
  executablePath: process.env.LONGHAUL_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
});
try {
  mkdirSync(folder, { recursive: true });
  for (const page of pages) {
    for (const window of WINDOWS)
      for (const scheme of ["light", "dark"]) await shoot(browser, page, window, scheme, "screen");
    await shoot(browser, page, SHEET, "light", "print");
  }
} finally {
  await browser.close();
}
