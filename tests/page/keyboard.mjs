// Checks that all controls of the page can be reached and used by keyboard. Each reports to `fault`.

import { expectedOrder } from "./expected.mjs";

const asText = (value) => JSON.stringify(value);

/** The Tab key reaches every control. */
export async function checkTabbing(page, fault) {
  const controls = "a[href], button, input, select, summary, [tabindex='0']";
  const total = await page.evaluate((selector) => {
    document.activeElement?.blur();
    getSelection().removeAllRanges();
    scrollTo(0, 0);
    window.unreached = new Set([...document.querySelectorAll(selector)].filter((element) => element.checkVisibility()));
    return window.unreached.size;
  }, controls);
  await page.mouse.click(2, 2);
  for (let step = 0; step < total + 20; step++) {
    await page.keyboard.press("Tab");
    await page.evaluate(() => window.unreached.delete(document.activeElement));
  }
  const unreached = await page.evaluate(() => [...window.unreached].map((element) => element.outerHTML.slice(0, 100)));
  for (const control of unreached) fault(`Tab does not reach ${control}`);
}

export async function checkDefinitions(page, fault) {
  const buttons = await page.$$("[popovertarget]");
  if (buttons.length === 0) fault("no definition has a button");
  for (const button of buttons) {
    const name = await button.getAttribute("aria-label");
    const isOpen = () =>
      button.evaluate(
        (b) => document.getElementById(b.getAttribute("popovertarget"))?.matches(":popover-open") ?? false,
      );
    await button.focus();
    await page.keyboard.press("Enter");
    if (!(await isOpen())) fault(`Enter on "${name}" opens nothing`);
    await page.keyboard.press("Escape");
    if (await isOpen()) fault(`Escape does not close "${name}"`);
  }
}

export async function checkSorting(page, data, fault) {
  const names = () => page.$$eval("table.cases tbody tr", (rows) => rows.map((row) => row.dataset.case));
  const headers = await page.$$("table.cases thead th");
  for (const header of headers) {
    const button = await header.$("button:not([popovertarget])");
    const title = await button.textContent();
    const seen = new Set();
    const orders = new Set([asText(await names())]);
    for (let press = 0; press < 2; press++) {
      await button.focus();
      await page.keyboard.press("Enter");
      seen.add(await header.getAttribute("aria-sort"));
      const sorted = await page.$$eval(
        "table.cases th[aria-sort]:not([aria-sort=none])",
        (sortedHeaders) => sortedHeaders.length,
      );
      if (sorted !== 1) fault(`column ${title}: ${sorted} columns say that they are sorted`);
      orders.add(asText(await names()));
    }
    if (!seen.has("ascending") || !seen.has("descending"))
      fault(`column ${title}: aria-sort is ${[...seen].join(", then ")}`);
    // Rows without a value come last in both directions, and marks beside a value do not count.
    const values = new Set(
      await header.evaluate((th) =>
        [...th.closest("table").tBodies[0].rows]
          .map((row) => row.cells[th.cellIndex].firstChild?.textContent)
          .filter((text) => text && text !== "–"),
      ),
    );
    if (values.size > 1 && orders.size < 2) fault(`column ${title}: sorting changes nothing`);
  }
  await page.locator("table.cases thead .sort", { hasText: /^MiB\/s$/ }).focus();
  await page.keyboard.press("Enter");
  const expected = expectedOrder(data);
  if (asText((await names()).slice(0, expected.length)) !== asText(expected))
    fault("sorting by goodput gives another order than the data");
}

export async function checkFilter(page, data, fault) {
  if (data.cases.length === 0) return;
  const last = data.cases.at(-1);
  const check = async (words, isExpected) => {
    const expected = data.cases.filter(isExpected).length;
    await page.fill("input[name=filter]", words);
    const shown = await page.$$eval("table.cases tbody tr", (rows) => rows.filter((row) => row.checkVisibility()).length);
    if (shown !== expected) fault(`filter ${words}: ${shown} rows, ${expected} expected`);
  };
  const isOf = (word) => (c) => `${c.name} ${c.verdict.text} ${c.limited_by?.cause}`.includes(word);
  await check(last.protocol, isOf(last.protocol));
  // The table writes a size with a space, and the name of a case without.
  const [, size] = last.name.match(/^[^/]+\/[^/]+\/([^/]+)/);
  await check(size.replace(/(?=[A-Z])/, " "), ({ name }) => name.split(/[/+=]/).includes(size));
  const cause = data.cases.find((c) => c.limited_by)?.limited_by.cause;
  if (cause) await check(cause.split(" ")[0], isOf(cause.split(" ")[0]));
  await page.fill("input[name=filter]", "");
}

export async function checkCopying(page, data, fault) {
  const button = page.getByRole("button", { name: "Copy", exact: true });
  if ((await button.count()) === 0) return;
  await button.focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector(".copy [role=status]").textContent !== "");
  const status = await page.textContent(".copy [role=status]");
  const selection = await page.evaluate(() => getSelection().toString());
  if (status !== "Copied." && selection !== data.command) fault(`copying the command says: ${status}`);
}
