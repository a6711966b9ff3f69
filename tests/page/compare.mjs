// Opens a compare.html in Chromium, and checks that it needs nothing but itself and fits every window and paper.
// usage: node compare.mjs PAGE.html
//        needs playwright-core, in the node_modules folder LONGHAUL_NODE_MODULES or by NODE_PATH,
//        and Chromium, as LONGHAUL_CHROMIUM or /usr/bin/chromium

import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [pagePath] = process.argv.slice(2);
const modules = process.env.LONGHAUL_NODE_MODULES;
const { chromium } = createRequire(modules ? join(resolve(modules), "_") : import.meta.url)("playwright-core");
const url = pathToFileURL(resolve(pagePath)).href;
const faults = [];

async function check(browser, width, colorScheme, media) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
  const page = await context.newPage();
  page.on("console", (message) => faults.push(`console: ${message.text()}`));
  page.on("request", (request) => request.url() !== url && faults.push(`request: ${request.url()}`));
  await page.emulateMedia({ media, colorScheme });
  await page.goto(url);
  const found = await page.evaluate(() => ({
    width: document.documentElement.scrollWidth,
    headings: [...document.querySelectorAll("h2")].map(({ textContent }) => textContent.split(" ")[0]),
    pictures: document.querySelectorAll("tbody svg.change").length,
    rows: document.querySelectorAll("tbody tr:has(td:nth-child(9))").length,
    scripts: document.scripts.length,
    clipped: [...document.querySelectorAll(".scroll")].filter((region) => region.scrollWidth > region.clientWidth).length,
    hidden: [...document.querySelectorAll("section > details")].filter((each) => each.getBoundingClientRect().height === 0).length,
  }));
  if (found.width > width) faults.push(`the page is ${found.width} px wide in a window of ${width} px`);
  const order = ["Worse", "Better", "Could", "Unclear", "Same", "Not", "Differences", "How"];
  const places = found.headings.filter((heading) => order.includes(heading)).map((heading) => order.indexOf(heading));
  if (String(places) !== String([...places].sort())) faults.push(`the sections are ${found.headings}`);
  if (found.rows === 0 || found.pictures !== found.rows) faults.push(`${found.pictures} pictures of ${found.rows} changes`);
  if (found.scripts > 0) faults.push("the page has scripts");
  if (media === "print" && found.clipped > 0) faults.push(`paper clips ${found.clipped} tables`);
  if (media === "print" && found.hidden > 0) faults.push(`paper shows nothing of ${found.hidden} sections`);
  await context.close();
}

const browser = await chromium.launch({
  executablePath: process.env.LONGHAUL_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
});
try {
  for (const width of [2000, 1280, 390])
    for (const scheme of ["light", "dark"]) await check(browser, width, scheme, "screen");
  await check(browser, 794, "light", "print");
} finally {
  await browser.close();
}
for (const text of new Set(faults)) console.error(text);
if (faults.length > 0) process.exit(1);
