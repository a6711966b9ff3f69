// The table of all cases: sortable by every column, filtered by words.

const VERDICTS = {
  ok: "✓ ok",
  control: "○ control",
  failed: "✗ failed",
  "over budget": "▲ over budget",
  "over ceiling": "▲ over ceiling",
  "wrong bytes": "≠ wrong bytes",
};

const endColumns = (head, term, text, value) =>
  ENDS.map((end) => ({ head: head(end), term, text, value: (c) => value(c[end]) }));

const COLUMNS = [
  { head: "case", term: "case", value: (c) => c.name, text: (name) => name },
  { head: "MiB/s", term: "goodput", value: (c) => toMib(goodput(c)), text: whole, mark: goodputMark },
  { head: "Gbit/s", term: "goodput", asked: "goodput in Gbit/s", value: (c) => toGbit(goodput(c)), text: twoDecimals },
  {
    head: "of base",
    term: "base",
    value: (c) => c.of_baseline?.median ?? null,
    text: twoDecimals,
    mark: (c) => given(c.of_baseline, ({ baseline }) => baseline),
  },
  ...endColumns(
    (end) => `peak RSS ${end}, MiB`,
    "rss",
    oneDecimal,
    (end) => toMib(end?.peak_rss_bytes),
  ),
  {
    head: "budget use",
    term: "budget",
    value: (c) => budgetUse(c[mostUsedEnd(c)]),
    text: (use) => (use == null ? NONE : `${whole(use * 100)} %`),
    mark: mostUsedEnd,
  },
  ...endColumns(
    (end) => `CPU s/GiB ${end}`,
    "cpu",
    twoDecimals,
    (end) => end?.cpu_s_per_gib ?? null,
  ),
  { head: "runs", term: "runs", value: (c) => c.runs, text: whole },
  {
    head: "verdict",
    term: "verdict",
    value: (c) => c.verdict,
    text: (verdict) => VERDICTS[verdict],
    mark: (c) => c.failed > 0 && `${c.failed} of ${c.runs}`,
  },
];

/** The fastest and the slowest of each direction. */
function goodputMark(c, extremes) {
  const { best, worst } = extremes[c.direction];
  if (best === worst) return null;
  return c === best ? "▲ fastest" : c === worst ? "▼ slowest" : null;
}

function cell(column, c, extremes) {
  const text = column.text(column.value(c));
  const mark = column.mark?.(c, extremes);
  if (column.term === "case") return el("th", { scope: "row" }, text);
  const className = column.term === "verdict" ? `verdict ${["ok", "control"].includes(c.verdict) ? "good" : "bad"}` : null;
  return el("td", { class: className }, text, mark && el("span", { class: "mark" }, ` ${mark}`));
}

/** Nothing comes last, whichever way the rest is sorted. */
function compareBy({ value }, sign) {
  return (a, b) => {
    const [x, y] = [value(a.c), value(b.c)];
    if (x == null || y == null) return (x == null) - (y == null);
    return sign * ascending(x, y);
  };
}

/** Amounts are sorted from the highest down first, words from a on. */
function headerCell(column, onSort) {
  const button = el("button", { type: "button", class: "sort" }, column.head);
  const th = el(
    "th",
    { scope: "col", "aria-sort": "none" },
    el("div", {}, button, defineButton(column.term, column.asked)),
  );
  button.addEventListener("click", () => {
    const isText = column.term === "case" || column.term === "verdict";
    const current = th.getAttribute("aria-sort");
    const first = isText ? "ascending" : "descending";
    const second = isText ? "descending" : "ascending";
    const order = current === first ? second : first;
    for (const other of th.parentElement.children) other.setAttribute("aria-sort", "none");
    th.setAttribute("aria-sort", order);
    onSort(compareBy(column, order === "ascending" ? 1 : -1));
  });
  return th;
}

function filterField(rows) {
  const input = el("input", { type: "search", name: "filter", autocomplete: "off", spellcheck: "false" });
  const status = el("span", { role: "status" });
  const apply = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const { c, tr } of rows) {
      const haystack = `${c.name} ${c.verdict}`.toLowerCase();
      tr.hidden = !words.every((word) => haystack.includes(word));
    }
    const shown = rows.filter(({ tr }) => !tr.hidden).length;
    status.textContent =
      shown === rows.length ? countText(shown, "case") : `${whole(shown)} of ${countText(rows.length, "case")}`;
  };
  input.addEventListener("input", apply);
  apply();
  return el("p", { class: "filter" }, el("label", {}, el("span", {}, "Filter by words"), input), status);
}

function caseTable(cases) {
  const of = (direction) => cases.filter((c) => c.direction === direction);
  const extremesOf = (some) => ({ best: highest(some, goodput), worst: lowest(some, goodput) });
  const extremes = { up: extremesOf(of("up")), down: extremesOf(of("down")) };
  const rows = cases.map((c) => ({
    c,
    tr: el(
      "tr",
      {},
      COLUMNS.map((column) => cell(column, c, extremes)),
    ),
  }));
  const body = el(
    "tbody",
    {},
    rows.map(({ tr }) => tr),
  );
  const sort = (compare) => body.append(...[...rows].sort(compare).map(({ tr }) => tr));
  const head = el(
    "thead",
    {},
    el(
      "tr",
      {},
      COLUMNS.map((column) => headerCell(column, sort)),
    ),
  );
  return section(
    "cases",
    "All cases",
    filterField(rows),
    scrolling("Table of all cases", el("table", { class: "cases" }, head, body), "scroll tall"),
  );
}
