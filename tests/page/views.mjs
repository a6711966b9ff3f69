// Checks the answers at the top, links to views, saved files, print, and the page without scripts. Each reports to `fault`.

import { readFile } from "node:fs/promises";
import { selectOf } from "./figures.mjs";

/** The answers stand in the first screen of a desktop and begin in that of a phone, without superlatives for baselines. */
export async function checkAnswers(page, data, fault) {
  const tiles = await page.$$eval(".tile", (all) =>
    all.map((tile) => ({ text: tile.textContent, bottom: tile.getBoundingClientRect().bottom + scrollY })),
  );
  if (tiles.length !== data.tiles.length) fault(`${tiles.length} answers, ${data.tiles.length} expected`);
  const low = tiles.filter(({ bottom }) => bottom > 800);
  if (low.length > 0) fault(`${low.length} answers are below the first screen of 800 px`);
  const { width, height } = page.viewportSize();
  await page.setViewportSize({ width: 390, height: 844 });
  const onPhone = await page.$$eval(".tile", (all) => all.slice(0, 5).map((tile) => tile.getBoundingClientRect().bottom + scrollY));
  if (onPhone.some((bottom) => bottom > 844)) fault(`the first answers end at ${onPhone} px on a phone of 844 px`);
  await page.setViewportSize({ width, height });
  const baselines = data.protocols.filter(({ http }) => http == null).map(({ name }) => name);
  const readings = await page.$$eval("figure .reading", (all) => all.map(({ textContent }) => textContent));
  for (const text of [...tiles.map((tile) => tile.text), ...readings])
    for (const [, name] of text.matchAll(/(?:[Ff]astest|[Hh]ighest|[Ll]owest)[^:.]*: ?([\w-]+)/g))
      if (baselines.includes(name)) fault(`a baseline is called more than one: ${text}`);
}

const isSpread = (spread) => spread != null && spread.least < spread.most;

/** The ranges or the rounds of every chart that shows medians of several runs are drawn. */
export function checkRanges(data, states, fault) {
  const shown = data.cases.filter((c) => c.peer === null && !c.is_control);
  const isRepeated = shown.length > 0 && shown.every((c) => isSpread(c.goodput_bytes_per_s));
  const hasPeaks = isRepeated && shown.every((c) => isSpread(c.sender?.peak_rss_spread));
  for (const [figure, { ranges }] of Object.entries(states)) {
    const isExpected = (isRepeated && /^(goodput|tax|cpu|throughput|latency)/.test(figure)) || (hasPeaks && /^rss/.test(figure));
    if (isExpected && ranges === 0) fault(`chart ${figure} shows no range and no round`);
  }
}

/** A choice, a sorted column and a filter are in the address, and a page that opens with it shows them. */
export async function checkLinks(page, open, fault) {
  const choices = await page.$$eval("figure select", (all) =>
    all
      .filter((select) => select.checkVisibility() && select.options.length > 1)
      .map((select) => [select.closest("figure").dataset.chart, select.name, select.options[1].value, select.options[0].value]),
  );
  if (choices.length === 0) return;
  const [figure, name, second, first] = choices[0];
  const select = selectOf(page, figure, name);
  const wanted = (await select.inputValue()) === second ? first : second;
  await select.selectOption(wanted);
  await page.fill("input[name=filter]", "h");
  await page.locator("table.cases thead .sort").first().click();
  const address = page.url();
  await page.fill("input[name=filter]", "");
  const other = await open(address);
  const shown = [
    await selectOf(other, figure, name).inputValue(),
    await other.inputValue("input[name=filter]"),
    await other.getAttribute("table.cases thead th", "aria-sort"),
  ];
  if (String(shown) !== String([wanted, "h", "ascending"])) fault(`${address} shows ${shown}`);
  await other.evaluate(() => (location.hash = "cases?filter=another"));
  await other
    .waitForFunction(() => document.querySelector("input[name=filter]")?.value === "another")
    .catch(() => fault("an open page does not follow a link to another view"));
  await other.context().close();
}

/** Charts are saved as SVG and PNG, and their numbers as CSV; tables are saved as CSV. */
export async function checkSaving(page, fault) {
  const figure = page.locator("figure[data-chart]").first();
  const savedFrom = async (region, format) => {
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      region.getByRole("button", { name: `as ${format}` }).click(),
    ]);
    return [download.suggestedFilename(), await readFile(await download.path())];
  };
  const saved = (format) => savedFrom(figure, format);
  for (const [name, table] of [["matrix", ".matrix"], ["tuning", "table"], ["framing", "table"], ["cases", ".cases"]]) {
    const region = page.locator(`#${name}`);
    if ((await region.count()) === 0) continue;
    const [file, text] = await savedFrom(region, "CSV");
    const rows = await region.locator(`${table} tbody tr`).count();
    const count = text.toString().trimEnd().split("\r\n").length;
    const isNamed = name === "matrix" ? /^matrix(-[^ ]+)?\.csv$/.test(file) : file === `${name}.csv`;
    if (!isNamed || count !== rows + 1) fault(`${file} has ${count} lines, ${rows + 1} expected`);
  }
  const heading = (await figure.locator("h3").textContent()).trim();
  const [svgName, svg] = await saved("SVG");
  if (!svgName.endsWith(".svg") || !svg.toString().startsWith("<svg") || !svg.toString().includes(heading))
    fault(`${svgName} is no picture of "${heading}"`);
  const written = svg.toString().replaceAll(/<[^>]*>/g, " ").replaceAll(/\s+/g, " ");
  const reading = (await figure.locator(".reading").textContent()).replaceAll(/\s+/g, " ").trim();
  if (!written.includes(reading)) fault(`${svgName} does not say: ${reading}`);
  const [pngName, png] = await saved("PNG");
  if (!pngName.endsWith(".png") || png.subarray(1, 4).toString() !== "PNG" || png.length < 5000) fault(`${pngName} is no picture`);
  const [csvName, csv] = await saved("CSV");
  const rows = await figure.locator("details tbody tr").count();
  const lines = csv.toString().trimEnd().split("\r\n");
  if (lines.length !== rows + 1) fault(`${csvName} has ${lines.length} lines, ${rows + 1} expected`);
  if (/\d,\d{3}\b.*"/.test(lines[1])) fault(`${csvName} has numbers with commas: ${lines[1]}`);
  await checkSavedChoices(page, savedFrom, fault);
}

/** A file with a chart has the choices of the chart in its name, and as first columns. */
async function checkSavedChoices(page, savedFrom, fault) {
  const figures = page.locator("figure[data-chart]").filter({ has: page.locator("select") });
  for (const figure of await figures.all()) {
    const choices = await figure.locator("select").evaluateAll((all) =>
      all
        .filter((select) => select.checkVisibility())
        .map((select) => [select.parentElement.firstChild.textContent, select.selectedOptions[0].textContent]),
    );
    if (choices.length === 0) continue;
    const [file, csv] = await savedFrom(figure, "CSV");
    const [head, first] = csv.toString().split("\r\n");
    for (const [label, text] of choices) {
      const value = text.replaceAll("\u00a0", " ");
      if (!head.includes(label) || (first !== "" && !first.includes(value))) fault(`${file} does not state ${label}: ${value}`);
      if (label !== "Setup" && !file.includes(value.replaceAll(" ", ""))) fault(`the name ${file} lacks ${value}`);
    }
  }
}

/** The names of lines stand at the right edge of their panel, beyond every point. */
export async function checkEnds(page, fault) {
  const inside = await page.$$eval("figure [role=img]", (charts) =>
    charts.flatMap((chart) => {
      const { series, xAxis } = echarts.getInstanceByDom(chart).getOption();
      const isInside = ({ id, xAxisIndex = 0, data }) =>
        id?.startsWith("beside labels") && data.some(({ value }) => value[0] < 0.999 * xAxis[xAxisIndex].max);
      return series.some(isInside) ? [chart.getAttribute("aria-label")] : [];
    }),
  );
  for (const label of inside) fault(`names of lines stand among the points of "${label.slice(0, 60)}"`);
}

/** No column of words pushes the figures of a table out of view. */
export async function checkColumns(page, fault) {
  const wide = await page.$$eval(".cases .further, #tuning td:nth-child(2), #framing tbody th", (cells) =>
    cells.map((cell) => [cell.textContent, cell.getBoundingClientRect().width]).filter(([, width]) => width > 400),
  );
  for (const [text, width] of wide.slice(0, 3)) fault(`"${text.slice(0, 40)}" takes ${Math.round(width)} px of a table`);
}

/** Paper shows neither controls nor anything wider than itself. */
export async function checkPrint(page, fault) {
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  await page.setViewportSize({ width: 794, height: 1123 });
  const found = await page.evaluate(() => ({
    width: document.documentElement.scrollWidth,
    controls: [...document.querySelectorAll("select, input, button:not(.sort)")].filter((control) => control.checkVisibility()).length,
    background: getComputedStyle(document.body).backgroundColor,
    broken: [...document.querySelectorAll(".cases .sort, .cases td:not(.further), .cases tbody th")]
      .filter((cell) => cell.checkVisibility() && cell.scrollWidth > cell.clientWidth + 1)
      .map((cell) => cell.textContent),
    clipped: [...document.querySelectorAll(".scroll, .tall")]
      .filter((region) => region.checkVisibility() && region.scrollWidth > region.clientWidth + 1)
      .map((region) => region.getAttribute("aria-label")),
  }));
  if (found.width > 794) fault(`the printed page is ${found.width} px wide, on paper of 794 px`);
  if (found.controls > 0) fault(`the printed page shows ${found.controls} controls`);
  if (found.clipped.length > 0) fault(`paper clips ${found.clipped}`);
  if (found.broken.length > 0) fault(`cells of paper are narrower than their words: ${found.broken.slice(0, 5).join(", ")}`);
  if (found.background !== "rgb(255, 255, 255)") fault(`the printed page is on ${found.background}`);
  await page.emulateMedia({ media: null, colorScheme: "light" });
}

/** Without scripts, the page has the verdict, the answers and the cases. */
export async function checkWithoutScripts(page, data, fault) {
  const text = await page.innerText("main");
  for (const part of [data.verdict.text, ...data.tiles.map(({ answer }) => answer), data.cases[0]?.name ?? ""])
    if (!text.replaceAll("\u00a0", " ").includes(part.replaceAll("\u00a0", " "))) fault(`the page without scripts lacks "${part}"`);
}

/** The matrix has a row for each chunk size and a column for each protocol of its choices, with the goodputs of the data. */
export async function checkMatrix(page, data, fault) {
  const isOwn = (c) => c.peer === null && !c.is_control && !c.protocol.endsWith("-ceiling") && c.goodput_bytes_per_s != null;
  const cases = data.cases.filter(isOwn);
  const count = (of, all) => new Set(all.map(of)).size;
  const sweeps = cases.filter((c) => {
    const beside = cases.filter(
      (other) => other.direction === c.direction && other.body_bytes === c.body_bytes && other.variant === c.variant,
    );
    return count((other) => other.chunk_bytes, beside) > 1 && count((other) => other.protocol, beside) > 1;
  });
  const matrix = page.locator("#matrix");
  if ((await matrix.count()) !== (sweeps.length > 0 ? 1 : 0)) fault("the matrix is not where chunk sizes and protocols vary");
  if (sweeps.length === 0) return;
  const select = matrix.locator("select[name=direction]");
  const directions = await select.locator("option").evaluateAll((all) => all.map(({ value }) => value));
  for (const direction of directions) {
    if (await select.isVisible()) await select.selectOption(direction);
    const rows = await matrix.locator("tbody tr").evaluateAll((all) =>
      all.map(({ cells }) => [...cells].slice(1).map(({ title, textContent }) => [title.split(": ")[0], textContent])),
    );
    const shown = rows.flat().filter(([name]) => name !== "");
    const wrong = shown.filter(([name, text]) => {
      const rate = cases.find((c) => c.name === name)?.goodput_bytes_per_s.median ?? 0;
      // A rate has three digits, or all of a whole number.
      const mib = rate / 2 ** 20;
      const shown = Number(text.replaceAll(",", ""));
      return !(Math.abs(mib - shown) <= Math.max(0.0005, Math.min(0.5, 0.005 * mib)) + 1e-9);
    });
    for (const [name, text] of wrong) fault(`the matrix has ${text} for ${name}`);
    const [first] = shown;
    const of = cases.find((c) => c.name === first?.[0]);
    const same = sweeps.filter(
      (c) => c.direction === of?.direction && c.body_bytes === of?.body_bytes && c.variant === of?.variant,
    );
    if (shown.length !== same.length || rows.length !== count((c) => c.chunk_bytes, same))
      fault(`the matrix (${direction}) shows ${shown.length} cases in ${rows.length} rows, ${same.length} cases expected`);
  }
}
