// Opens a report.html in Chromium, and checks it against its data and its records.
// usage: node check.mjs PAGE.html [--screenshots DIR] [--records FILE] [--only CHECK]
//        --screenshots takes screenshots of a page without faults, and prints it;
//        --only makes one of the CHECKS below, besides those while the page opens;
//        --records is records.jsonl beside the page by default;
//        needs playwright-core, in the node_modules folder LONGHAUL_NODE_MODULES or by NODE_PATH,
//        and Chromium, as LONGHAUL_CHROMIUM or /usr/bin/chromium

import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { expectedBody, expectedFigures, expectedSeries } from "./expected.mjs";
import { drawn, selectOf } from "./figures.mjs";
import { checkCopying, checkDefinitions, checkFilter, checkSorting, checkTabbing } from "./keyboard.mjs";
import {
  checkComparisons,
  checkData,
  checkProtocolFilter,
  checkRanks,
  checkRemarks,
  checkTable,
} from "./protocols.mjs";
import { readRecords } from "./records.mjs";
import {
  checkAnswers,
  checkColumns,
  checkEnds,
  checkLinks,
  checkMatrix,
  checkPrint,
  checkRanges,
  checkSaving,
  checkWithoutScripts,
} from "./views.mjs";

const options = { screenshots: { type: "string" }, records: { type: "string" }, only: { type: "string" } };
const { values, positionals } = parseArgs({ options, allowPositionals: true });
const [pagePath] = positionals;
if (!pagePath) {
  console.error("usage: node check.mjs PAGE.html [--screenshots DIR] [--records FILE] [--only CHECK]");
  process.exit(2);
}
const recordsPath = values.records ?? join(dirname(pagePath), "records.jsonl");
const modules = process.env.LONGHAUL_NODE_MODULES;
const { chromium } = createRequire(modules ? join(resolve(modules), "_") : import.meta.url)("playwright-core");
const url = pathToFileURL(resolve(pagePath)).href;
const faults = [];
const fault = (text) => faults.push(text.replaceAll(/\s+/g, " "));

/** Opens the page at a width. Messages on the console, errors and requests are faults. */
async function open(browser, width, height, colorScheme, { address = url, javaScriptEnabled = true } = {}) {
  const settings = { viewport: { width, height }, colorScheme, reducedMotion: "reduce", javaScriptEnabled };
  const context = await browser.newContext(settings);
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.on(
    "console",
    (message) =>
      ["error", "warning", "assert"].includes(message.type()) && fault(`console ${message.type()}: ${message.text()}`),
  );
  page.on("pageerror", (error) => fault(`page error: ${error.message}`));
  const isOwn = (request) => /^(data|blob):/.test(request.url()) || request.url().split("#")[0] === url;
  page.on("request", (request) => isOwn(request) || fault(`request: ${request.url().slice(0, 200)}`));
  await page.goto(address, { waitUntil: "load" });
  return page;
}

async function checkSeries(page, data, figure, when) {
  const { chosen, series, marks } = await drawn(page, figure);
  const expected = expectedSeries(data, figure, chosen);
  for (const name of new Set([...Object.keys(expected), ...Object.keys(series)])) {
    if (expected[name] !== series[name]) {
      fault(
        `chart ${figure} (${when}): ${series[name] ?? 0} points in series ${name}, ${expected[name] ?? 0} expected`,
      );
    }
  }
  if (Object.keys(expected).length === 0 || marks === 0) fault(`chart ${figure} (${when}) is empty`);
}

/** Checks every figure with its initial choices, and with every other choice in it. */
async function checkFigures(page, data) {
  const expected = expectedFigures(data);
  const present = await page.$$eval("figure[data-chart]", (figures) => figures.map((figure) => figure.dataset.chart));
  for (const figure of expected.filter((name) => !present.includes(name))) fault(`chart ${figure} is missing`);
  for (const figure of present.filter((name) => !expected.includes(name))) fault(`chart ${figure} should not be there`);
  for (const figure of present.filter((name) => expected.includes(name))) {
    await checkSeries(page, data, figure, "at first");
    const { chosen } = await drawn(page, figure);
    if (chosen.body && figure !== "rss-by-body" && chosen.body !== expectedBody(data, figure))
      fault(`chart ${figure} does not begin with the largest body`);
    for (const name of Object.keys(chosen)) {
      const select = selectOf(page, figure, name);
      if (!(await select.isVisible())) continue;
      for (const value of await select
        .locator("option")
        .evaluateAll((options) => options.map((option) => option.value))) {
        await select.selectOption(value);
        await checkSeries(page, data, figure, `${name} ${value}`);
      }
      await select.selectOption(chosen[name]);
    }
  }
}

/** Every control and region has an accessible name. */
async function checkNames(page) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  const named = new Set(
    "button checkbox combobox searchbox textbox link region image img figure navigation DisclosureTriangle".split(" "),
  );
  for (const { ignored, role, name } of nodes) {
    if (!ignored && named.has(role?.value) && !name?.value?.trim()) fault(`a ${role.value} has no name`);
  }
}

async function checkStructure(page) {
  const found = await page.evaluate(() => {
    const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
    const levels = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map(({ tagName }) => Number(tagName[1]));
    return {
      duplicates: ids.filter((id, at) => ids.indexOf(id) !== at),
      skipped: levels.filter((level, at) => level > (levels[at - 1] ?? 0) + 1).length,
      titles: levels.filter((level) => level === 1).length,
      landmarks: ["header", "nav", "main", "footer"].filter((tag) => document.querySelectorAll(tag).length !== 1),
      listed: document.querySelectorAll("#making > .limits").length,
      broken: [...document.querySelectorAll('a[href^="#"]')]
        .map((a) => a.hash.slice(1))
        .filter((id) => !document.getElementById(id)),
    };
  });
  for (const id of found.duplicates) fault(`duplicate id ${id}`);
  for (const id of found.broken) fault(`a link leads to #${id}, which is not there`);
  for (const tag of found.landmarks) fault(`not exactly one ${tag}`);
  if (found.skipped > 0) fault(`${found.skipped} headings skip a level`);
  if (found.listed > 1) fault(`the limits in force are listed in full ${found.listed} times`);
  if (found.titles !== 1) fault(`${found.titles} h1, 1 expected`);
}

async function checkWidth(page, width) {
  await page.setViewportSize({ width, height: 900 });
  const actual = await page.evaluate(() => document.documentElement.scrollWidth);
  if (actual > width) fault(`the page is ${actual} px wide in a window of ${width} px`);
}

/** Charts follow a change of the colour scheme. */
async function checkScheme(page) {
  const coloursIn = async (colorScheme) => {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    return page.$$eval("figure [role=img]", (charts) =>
      charts.map((chart) => echarts.getInstanceByDom(chart).getOption().series[0].itemStyle.color),
    );
  };
  const light = await coloursIn("light");
  const dark = await coloursIn("dark");
  light.forEach((colour, at) => colour === dark[at] && fault(`chart ${at + 1} keeps its colours in the dark scheme`));
  await page.emulateMedia({ colorScheme: "light" });
}

async function shoot(browser, folder, name, width, height, colorScheme) {
  const page = await open(browser, width, height, colorScheme);
  await page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`), fullPage: true });
  await page.context().close();
}

async function print(browser, folder) {
  const page = await open(browser, 794, 1123, "light");
  await page.pdf({ path: join(folder, "paper.pdf"), format: "A4" });
  await page.context().close();
}

/** Takes all screenshots, and prints the page. */
async function picture(browser, folder) {
  mkdirSync(folder, { recursive: true });
  for (const scheme of ["light", "dark"]) {
    await shoot(browser, folder, "desktop", 1280, 900, scheme);
    await shoot(browser, folder, "phone", 390, 844, scheme);
    await shoot(browser, folder, "wide", 2000, 1200, scheme);
  }
  await print(browser, folder);
}

/** The charts show ranges or rounds in the states that the other checks left. */
async function checkDrawnRanges(page, data) {
  const states = {};
  for (const figure of await page.$$eval("figure[data-chart]", (all) => all.map(({ dataset }) => dataset.chart)))
    states[figure] = await drawn(page, figure);
  checkRanges(data, states, fault);
}

async function checkPlain(browser, data) {
  const bare = await open(browser, 1280, 900, "light", { javaScriptEnabled: false });
  await checkWithoutScripts(bare, data, fault);
  await bare.context().close();
}

/** All checks of a page in their order. */
const CHECKS = {
  data: ({ data, records }) => checkData(data, records, fault),
  ranks: ({ data }) => checkRanks(data, fault),
  names: ({ page }) => checkNames(page),
  structure: ({ page }) => checkStructure(page),
  tabbing: ({ page }) => checkTabbing(page, fault),
  definitions: ({ page }) => checkDefinitions(page, fault),
  figures: ({ page, data }) => checkFigures(page, data),
  comparisons: ({ page, data, records }) => checkComparisons(page, data, records, fault),
  filter: ({ page, data, records }) => checkProtocolFilter(page, data, records, fault),
  table: ({ page, data, records }) => checkTable(page, data, records, fault),
  remarks: ({ page, data, records }) => checkRemarks(page, data, records, fault),
  sorting: ({ page, data }) => checkSorting(page, data, fault),
  words: ({ page, data }) => checkFilter(page, data, fault),
  copying: ({ page, data }) => checkCopying(page, data, fault),
  scheme: ({ page }) => checkScheme(page),
  answers: ({ page, data }) => checkAnswers(page, data, fault),
  ranges: ({ page, data }) => checkDrawnRanges(page, data),
  saving: ({ page }) => checkSaving(page, fault),
  matrix: ({ page, data }) => checkMatrix(page, data, fault),
  links: ({ page }, browser) => checkLinks(page, (address) => open(browser, 1280, 900, "light", { address }), fault),
  ends: ({ page }) => checkEnds(page, fault),
  width: async ({ page }) => {
    await checkColumns(page, fault);
    for (const width of [2000, 1280, 390, 360]) await checkWidth(page, width);
  },
  print: ({ page }) => checkPrint(page, fault),
  plain: ({ data }, browser) => checkPlain(browser, data),
};

async function check(browser) {
  const page = await open(browser, 1280, 900, "light");
  const opened = { page, data: JSON.parse(await page.textContent("#data")), records: readRecords(recordsPath) };
  const checks = values.only ? [CHECKS[values.only]] : Object.values(CHECKS);
  for (const one of checks) await one(opened, browser);
  await page.context().close();
}

const browser = await chromium.launch({
  executablePath: process.env.LONGHAUL_CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
try {
  await check(browser);
  if (faults.length === 0 && values.screenshots) await picture(browser, values.screenshots);
} catch (error) {
  fault(`the check itself failed: ${error.message}`);
} finally {
  await browser.close();
}
for (const text of new Set(faults)) console.error(text);
if (faults.length > 0) process.exit(1);
console.log(`${pagePath}: as it should be`);
