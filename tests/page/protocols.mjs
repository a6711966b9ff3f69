// Checks that every protocol of the records is on the page, wherever protocols are compared. Each reports to `fault`.

import { choicesOf } from "./expected.mjs";
import { choose, drawn } from "./figures.mjs";
import { comparedIn, protocolsOf, runsOf } from "./records.mjs";

const isSameSet = (a, b) => a.length === b.length && a.every((value) => b.includes(value));
const presentFigures = (page) =>
  page.$$eval("figure[data-chart]", (figures) => figures.map((figure) => figure.dataset.chart));

/** The page's data lists the protocols, cases and runs of the records. */
export function checkData(data, records, fault) {
  const protocols = protocolsOf(records);
  const names = protocols.map(({ name }) => name);
  const listed = data.protocols.map(({ name }) => name);
  if (!isSameSet(names, listed)) fault(`protocols of the page are ${listed}, ${names} expected`);
  for (const stated of protocols) {
    const told = data.protocols.find(({ name }) => name === stated.name);
    for (const fact of ["carrier", "http", "baseline"])
      if (told && fact in stated && told[fact] !== stated[fact])
        fault(`${fact} of ${stated.name} is ${told[fact]}, ${stated[fact]} expected`);
  }
  const runs = runsOf(records);
  const cases = data.cases.map((c) => c.name);
  for (const name of Object.keys(runs)) if (!cases.includes(name)) fault(`${name} is not in the data`);
  for (const name of cases) if (!(name in runs)) fault(`${name} is in the data and not in the records`);
  for (const c of data.cases) {
    const expected = runs[c.name];
    if (expected && (expected.runs !== c.runs || expected.failed !== c.failed))
      fault(`${c.name}: ${c.failed} of ${c.runs} runs failed, ${expected.failed} of ${expected.runs} expected`);
  }
}

/** Whether a protocol is drawn in a figure, with its name and its numbers. */
const shows = ({ compared, written, numbers }, protocol) =>
  [compared, written, numbers].every((names) => names.includes(protocol));

/** Disturbed runs have a column of goodput without them, stock rows a table, and TCP beside QUIC a remark below it. */
export async function checkRemarks(page, data, records, fault) {
  const text = async (selector) => (await page.locator(selector).allTextContents()).join(" ");
  const disturbed = records.some((record) => record.disturbed === true && record.error == null);
  if ((await text("table.cases thead")).includes("calm runs") !== disturbed)
    fault(`the column of undisturbed goodput does not fit records ${disturbed ? "with" : "without"} disturbed runs`);
  const tables = await text("#tuning tbody");
  for (const row of data.untuned) if (!tables.includes(row.variant)) fault(`the table of tuning lacks ${row.variant}`);
  if (data.untuned.length === 0 && tables !== "") fault("there is a table of tuning without rows");
  await checkFraming(page, data, records, fault);
  const carriers = new Set(protocolsOf(records).map(({ carrier }) => (carrier === "quic" ? "quic" : "tcp")));
  const sized = records.some((record) => record.link?.mtu && record.sender?.transport);
  if (sized && carriers.size > 1 && !(await text("#cases .packets")).includes("QUIC:"))
    fault("no remark on packets stands below the table of cases");
}

/** The pieces that receivers observed have a table, with a row for each kind and case, and otherwise there is none. */
async function checkFraming(page, data, records, fault) {
  const rows = await page.$$eval("#framing tbody tr", (all) => all.map(({ cells }) => [...cells].map((c) => c.textContent)));
  const observed = records.filter((record) => record.error == null && record.receiver?.framing);
  if (rows.length > 0 !== observed.length > 0)
    fault(`the table of framing has ${rows.length} rows, of ${observed.length} runs that observed it`);
  const digits = (text) => Number(text.replaceAll(",", ""));
  for (const { case: c, receiver } of observed) {
    const kinds = Object.values(receiver.framing).filter(Boolean);
    const shown = rows.filter(([name]) => name === c.name);
    if (shown.length !== kinds.length) fault(`framing of ${c.name}: ${shown.length} rows, ${kinds.length} expected`);
    for (const [, kind, count, smallest, median, largest] of shown)
      if (!(digits(count) > 0 && digits(smallest) <= digits(median) && digits(median) <= digits(largest)))
        fault(`framing of ${c.name}: ${count} ${kind} of ${smallest}, ${median} and ${largest} bytes`);
    // Of several runs, the table shows one.
    const most = Math.max(...kinds.map(({ max }) => max));
    if (kinds.length > 0 && runsOf(records)[c.name].runs === 1 && !shown.some((cells) => digits(cells[5]) === most))
      fault(`framing of ${c.name}: no row has the largest piece, of ${most} bytes`);
  }
}

/** Every figure that compares protocols draws each of them under some choice. */
export async function checkComparisons(page, data, records, fault) {
  const present = await presentFigures(page);
  for (const [figure, protocols] of Object.entries(comparedIn(records))) {
    for (const protocol of present.includes(figure) ? protocols : []) {
      const choices = choicesOf(data, figure, protocol);
      if (choices.length === 0) fault(`chart ${figure}: the data has nothing of ${protocol}`);
      if (choices.length > 0 && !(await isShownBySome(page, figure, protocol, choices)))
        fault(`chart ${figure} does not show ${protocol}`);
    }
  }
}

async function isShownBySome(page, figure, protocol, choices) {
  for (const choice of choices) {
    await choose(page, figure, choice);
    if (shows(await drawn(page, figure), protocol)) return true;
  }
  return false;
}

/** The filter offers every protocol of the comparing figures, in one look each, and hides it from all of them. */
export async function checkProtocolFilter(page, data, records, fault) {
  const protocols = comparedIn(records);
  const figures = (await presentFigures(page)).filter((figure) => figure in protocols);
  const expected = new Set(figures.flatMap((figure) => protocols[figure]));
  const boxes = await page.$$("input[name=protocol]");
  const offered = await Promise.all(boxes.map((box) => box.inputValue()));
  const missing = [...expected].filter((name) => !offered.includes(name));
  if (expected.size > 1 && missing.length > 0) fault(`the protocol filter does not offer ${missing}`);
  const order = data.protocols.map(({ name }) => name).filter((name) => offered.includes(name));
  if (String(order) !== String(offered)) fault(`the protocol filter lists ${offered}, ${order} expected`);
  await checkLooks(page, fault);

  const showing = async (protocol) => {
    const states = await Promise.all(figures.map((figure) => drawn(page, figure)));
    return figures.filter((_, at) => states[at].compared.includes(protocol)).join();
  };
  for (const [at, protocol] of offered.entries()) {
    const before = await showing(protocol);
    await boxes[at].focus();
    await page.keyboard.press("Space");
    const hidden = await showing(protocol);
    if (hidden !== "") fault(`charts ${hidden} show ${protocol}, which is not chosen`);
    await page.keyboard.press("Space");
    if ((await showing(protocol)) !== before) fault(`charts ${before} do not show ${protocol} again`);
  }
}

/** No two protocols have both the symbol and the line in common, whatever their colours. */
async function checkLooks(page, fault) {
  const looks = await page.$$eval(".protocols label", (labels) =>
    labels.map((label) => [
      label.textContent,
      label.querySelector("svg").outerHTML.replace(/ (stroke|fill)="[^"]*"/g, ""),
    ]),
  );
  for (const [at, [name, look]] of looks.entries())
    for (const [other, same] of looks.slice(0, at))
      if (look === same) fault(`${other} and ${name} look alike without colour`);
}

/** The table has a row for every case of the records, with the verdict and the rank of the data. */
export async function checkTable(page, data, records, fault) {
  const rows = await page.$$eval("table.cases tbody tr", (all) => {
    const heads = [...all[0].closest("table").tHead.rows[0].cells].map(({ textContent }) => textContent);
    const goodput = heads.findIndex((head) => head.startsWith("MiB/s"));
    return all.map(({ dataset, cells }) => [
      dataset.case,
      cells[goodput].textContent,
      cells[cells.length - 1].textContent,
    ]);
  });
  const names = rows.map(([name]) => name);
  for (const name of Object.keys(runsOf(records))) if (!names.includes(name)) fault(`the table has no row for ${name}`);
  for (const [name, goodput, verdict] of rows) {
    const c = data.cases.find((each) => each.name === name);
    const rank = goodput.match(/fastest|slowest/)?.[0] ?? null;
    if (rank !== c?.rank) fault(`the table marks ${name} as ${rank}, ${c?.rank} expected`);
    if (!verdict.includes(c?.verdict.text))
      fault(`the table says "${verdict}" of ${name}, "${c?.verdict.text}" expected`);
  }
}

/** The bodies that a case moves, and whether its library runs as it comes: rivals have both in common. */
const raceOf = (c) => {
  const axes = "direction body_bytes payload seed sink connections streams reader_rate_bytes_per_s limit_rate_bytes_per_s spin_us";
  const named = c.series.slice(c.name.length);
  return JSON.stringify([...axes.split(" ").map((axis) => c[axis]), named, c.variant.includes("profile=stock")]);
};

/** At most one case of a race is the fastest and one the slowest, among those with HTTP that ended well. */
export function checkRanks(data, fault) {
  const http = new Set(data.protocols.filter((protocol) => protocol.http != null).map(({ name }) => name));
  const goodput = (c) => c.goodput_bytes_per_s?.median;
  for (const race of new Set(data.cases.map(raceOf))) {
    const cases = data.cases.filter((c) => raceOf(c) === race);
    const rivals = cases.filter((c) => http.has(c.protocol) && c.verdict.kind === "ok" && goodput(c) != null);
    for (const [rank, sign] of [
      ["fastest", 1],
      ["slowest", -1],
    ]) {
      const ranked = cases.filter((c) => c.rank === rank);
      if (ranked.length > 1) fault(`${ranked.length} cases of ${race} are the ${rank}`);
      for (const c of ranked) {
        if (!http.has(c.protocol)) fault(`${c.name} is the ${rank}, and ${c.protocol} is a baseline`);
        if (c.failed > 0) fault(`${c.name} is the ${rank}, and has failed`);
        const ahead = rivals.find((other) => sign * (goodput(other) - goodput(c)) > 0);
        if (ahead) fault(`${c.name} is the ${rank} of ${race}, ${ahead.name} expected`);
      }
      for (const c of ranked) {
        const [mine, theirs] = sign > 0 ? ["low", "high"] : ["high", "low"];
        const near = rivals.find(
          (other) => other !== c && sign * (c.goodput_bytes_per_s[mine] - other.goodput_bytes_per_s[theirs]) <= 0,
        );
        if (near) fault(`${c.name} is the ${rank}, and its interval does not part from that of ${near.name}`);
      }
    }
  }
}
