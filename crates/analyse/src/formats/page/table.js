// The table of all cases: sortable by every column, filtered by words (filter.js).

const RANKS = { fastest: "▲ fastest", slowest: "▼ slowest" };

/** The symbol of a verdict and whether it is good; a kind without an entry counts as bad. */
const verdictOf = (c) => VERDICTS[c.verdict.kind] ?? { symbol: "?" };

const endColumns = (head, term, text, value) =>
  ENDS.map((end) => ({ head: head(end), term, text, value: (c) => value(c[end]) }));

/** The column of a ratio with its range, if any case has it. */
const ratioColumn = (head, term, of, markOf) =>
  data.cases.some(of)
    ? [
        {
          head,
          term,
          value: (c) => of(c)?.median ?? null,
          text: twoDecimals,
          mark: (c) => given(of(c), markOf),
        },
      ]
    : [];

/** The name of a case, with label and peer, or with the programs of both ends if one of them is not longhaul. */
const nameOf = (c) => c.series;

/** The properties of a case beyond protocol, direction, chunk and body: other axes, label, peer, programs. */
const restOf = (c) =>
  c.peer === null ? [c.variant, c.series.slice(c.name.length).trim()].filter(Boolean).join(" ") : c.series;

/** The columns of a saved file for a range: both ends of the interval, or the least and the greatest value. */
const savedRange = (head, of, convert = (value) => value) => [
  [`${head}, low`, (c) => convert(of(c)?.low ?? of(c)?.least ?? null)],
  [`${head}, high`, (c) => convert(of(c)?.high ?? of(c)?.most ?? null)],
];

const DIRECTION = {
  head: "direction",
  term: "case",
  asked: "the direction",
  isText: true,
  value: (c) => c.direction,
  text: (direction) => direction,
};
const BODY = { head: "body", term: "case", asked: "the body size", value: (c) => c.body_bytes, text: sizeText };
const REST = {
  head: "further",
  term: "case",
  asked: "the rest of a case",
  isText: true,
  value: restOf,
  text: (rest) => rest,
};

/** A list of the column; empty if all cases have one value, which the line above the table then names. */
const unlessCommon = (column) => (distinct(data.cases.map(column.value)).length > 1 ? [column] : []);

function commonText() {
  const directions = distinct(data.cases.map((c) => c.direction));
  const bodies = distinct(data.cases.map((c) => c.body_bytes));
  const parts = [
    directions.length === 1 && `${DIRECTIONS[directions[0]]}s`,
    bodies.length === 1 && `bodies of ${sizeText(bodies[0])}`,
  ].filter(Boolean);
  return parts.length > 0 && el("p", {}, `All cases: ${parts.join(", ")}.`);
}

/** The columns. Paper has no room for those that are for screens alone. */
const COLUMNS = [
  {
    head: "protocol",
    term: "case",
    isName: true,
    isText: true,
    value: (c) => PROTOCOLS.indexOf(c.protocol),
    text: (_, c) => c.protocol,
    raw: (c) => c.protocol,
  },
  ...unlessCommon(DIRECTION),
  { head: "chunk", term: "case", asked: "the chunk size", value: (c) => c.chunk_bytes, text: sizeText },
  ...unlessCommon(BODY),
  ...(data.cases.some(restOf) ? [REST] : []),
  { head: "MiB/s", term: "goodput", value: (c) => toMib(goodput(c)), text: threeDigits, mark: (c) => RANKS[c.rank] },
  {
    head: "range, MiB/s",
    term: "range",
    value: (c) => toMib(c.goodput_bytes_per_s?.low ?? c.goodput_bytes_per_s?.least),
    text: (_, c) => given(c.goodput_bytes_per_s, (spread) => rangeText(spread, (rate) => threeDigits(toMib(rate)))) ?? NONE,
    saved: savedRange("MiB/s", (c) => c.goodput_bytes_per_s, toMib),
  },
  {
    head: "Gbit/s",
    term: "goodput",
    asked: "goodput in Gbit/s",
    isForScreens: true,
    value: (c) => toGbit(goodput(c)),
    text: threeDigits,
  },
  ...(data.cases.some((c) => c.calm)
    ? [
        {
          head: "calm runs, MiB/s",
          term: "calm",
          isForScreens: true,
          value: (c) => toMib(c.calm ? c.calm.goodput_bytes_per_s?.median : goodput(c)),
          text: threeDigits,
          mark: (c) => c.calm && `without ${c.calm.disturbed} of ${c.runs}`,
        },
      ]
    : []),
  ...ratioColumn(
    "of a plain loop",
    "base",
    (c) => c.of_baseline,
    (ratio) => `${rangeText(ratio, twoDecimals)} ${ratio.baseline}`,
  ),
  ...ratioColumn(
    "of ceiling",
    "most",
    (c) => c.of_ceiling,
    // A carrier has one ceiling, whose name is long.
    (ratio) => rangeText(ratio, twoDecimals),
  ),
  ...endColumns(
    (end) => `peak RSS ${end}, MiB`,
    "rss",
    oneDecimal,
    (end) => toMib(end?.peak_rss_bytes),
  ),
  {
    head: "budget use",
    term: "budget",
    value: (c) => c[mostUsedEnd(c)]?.budget_use ?? null,
    text: (use) => (use == null ? NONE : `${whole(use * 100)} %`),
    mark: mostUsedEnd,
  },
  ...endColumns(
    (end) => `CPU s/GiB ${end}`,
    "cpu",
    twoDecimals,
    (end) => end?.cpu_s_per_gib ?? null,
  ),
  ...(data.cases.some((c) => c.limited_by)
    ? [
        {
          head: "limited by",
          term: "limit",
          isText: true,
          isForScreens: true,
          value: (c) => c.limited_by?.cause ?? null,
          text: (cause) => cause ?? NONE,
          mark: (c) => c.limited_by?.evidence,
        },
      ]
    : []),
  { head: "runs", term: "runs", value: (c) => c.runs, text: whole },
  {
    head: "verdict",
    term: "verdict",
    isText: true,
    value: (c) => c.verdict.text,
    text: (text, c) => `${verdictOf(c).symbol} ${text}`,
    mark: (c) => c.failed > 0 && `${c.failed} of ${c.runs}`,
  },
];

/** The table of all cases as CSV: names in full, and plain numbers. */
function saveCases() {
  const columns = COLUMNS.flatMap(({ head, raw, value, saved }) => saved ?? [[head, raw ?? value]]);
  const row = (c) => [nameOf(c), ...columns.map(([, value]) => value(c))];
  saveCsv("cases.csv", ["case", ...columns.map(([head]) => head)], data.cases.map(row));
}

/** The classes of all cells of a column. */
const classesOf = (column) =>
  [column === REST && "further", column.isForScreens && "screens"].filter(Boolean).join(" ");

function cell(column, c) {
  const text = column.text(column.value(c), c);
  const mark = column.mark?.(c);
  if (column.isName) return el("th", { scope: "row" }, text);
  const classes = { verdict: `verdict ${verdictOf(c).isGood ? "good" : "bad"}`, limit: "limit" };
  const attributes = { class: [classes[column.term], classesOf(column)].filter(Boolean).join(" ") };
  return el("td", attributes, text, mark && el("span", { class: "mark" }, ` ${mark}`));
}

/** The order by a column; cases without a value come last in both directions. */
function compareBy({ value }, sign) {
  return (a, b) => {
    const [x, y] = [value(a.c), value(b.c)];
    if (x == null || y == null) return (x == null) - (y == null);
    return sign * ascending(x, y);
  };
}

/** The header of a column, with a button that sorts. The first click sorts amounts down, and words from a to z. */
function headerCell(column, onSort) {
  const button = el("button", { type: "button", class: "sort" }, column.head);
  const th = el(
    "th",
    { scope: "col", "aria-sort": "none", class: classesOf(column) },
    el("div", {}, button, defineButton(column.term, column.asked)),
  );
  const sort = (order) => {
    for (const other of th.parentElement.children) other.setAttribute("aria-sort", "none");
    th.setAttribute("aria-sort", order);
    onSort(compareBy(column, order === "ascending" ? 1 : -1));
  };
  button.addEventListener("click", () => {
    const [first, second] = column.isText ? ["ascending", "descending"] : ["descending", "ascending"];
    const order = th.getAttribute("aria-sort") === first ? second : first;
    sort(order);
    setState("sort", `${column.head}:${order}`);
  });
  return { column, th, sort };
}

/** Sorts the table by the column and the order that the address states, if it states any. */
function sortAsBefore(headers) {
  const [name, order] = (stateOf("sort") ?? "").split(":");
  const header = headers.find(({ column }) => column.head === name);
  if (header && ["ascending", "descending"].includes(order)) header.sort(order);
}

function caseTable(cases) {
  const rows = cases.map((c) => ({
    c,
    tr: el(
      "tr",
      { "data-case": nameOf(c) },
      COLUMNS.map((column) => cell(column, c)),
    ),
  }));
  const body = el(
    "tbody",
    {},
    rows.map(({ tr }) => tr),
  );
  const sort = (compare) => body.append(...[...rows].sort(compare).map(({ tr }) => tr));
  const headers = COLUMNS.map((column) => headerCell(column, sort));
  const head = el(
    "thead",
    {},
    el(
      "tr",
      {},
      headers.map(({ th }) => th),
    ),
  );
  sortAsBefore(headers);
  return section(
    "cases",
    "All cases",
    commonText(),
    filterField(rows),
    scrolling("Table of all cases", el("table", { class: "cases" }, head, body), "scroll tall"),
    saveButtons("the table of all cases", { CSV: saveCases }),
    packetsNote(),
  );
}

/** The remark on the sizes of segments and packets, for each comparison of TCP with QUIC. */
const packetsNote = () => data.packets && el("p", { class: "packets" }, `${data.packets}.`);

/** The table of libraries with their own defaults, and without one layer at a time, beside the tuned rows. */
function tuningTable(untuned) {
  if (untuned.length === 0) return null;
  const apart = untuned.some((row) => !row.in_turns);
  const rows = untuned.map((row) => [
    row.case,
    row.variant,
    threeDigits(toMib(row.goodput_bytes_per_s)),
    threeDigits(toMib(row.tuned_bytes_per_s)),
    twoDecimals(row.of_tuned.median),
    rangeText(row.of_tuned, twoDecimals) + (row.in_turns ? "" : " *"),
  ]);
  return section(
    "tuning",
    "Stock beside tuned",
    el("p", {}, TERMS.tuning.meaning),
    savedTable("libraries with their own defaults", "tuning", ["case", "run as", "MiB/s", "tuned, MiB/s", "of tuned", "range"], rows),
    apart && el("p", {}, "* Not run in turns with the tuned row: the ratio includes the drift of the machine."),
  );
}
