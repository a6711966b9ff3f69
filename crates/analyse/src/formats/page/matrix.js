// The matrix of protocols and chunk sizes, with the values as shades.

/** The figures that a matrix can show. */
const MATRIX_FIGURES = {
  goodput: {
    label: "goodput, MiB/s",
    value: goodput,
    text: (rate) => threeDigits(toMib(rate)),
    spread: (c) => c.goodput_bytes_per_s,
  },
  base: {
    label: "of a plain loop",
    value: (c) => c.of_baseline?.median ?? null,
    text: twoDecimals,
    spread: (c) => c.of_baseline,
  },
  sender: {
    label: "peak RSS of the sender, MiB",
    value: (c) => c.sender?.peak_rss_bytes ?? null,
    text: (bytes) => oneDecimal(toMib(bytes)),
    spread: (c) => c.sender?.peak_rss_spread,
  },
  receiver: {
    label: "peak RSS of the receiver, MiB",
    value: (c) => c.receiver?.peak_rss_bytes ?? null,
    text: (bytes) => oneDecimal(toMib(bytes)),
    spread: (c) => c.receiver?.peak_rss_spread,
  },
};

/** The matrix of a figure, and the button that saves it with the choices of its cases. */
function matrixTable(cases, { label, value, text, spread }, stated) {
  const shown = cases.filter((c) => value(c) != null);
  const chunks = distinct(shown.map((c) => c.chunk_bytes)).sort(ascending);
  const protocols = PROTOCOLS.filter((protocol) => shown.some(isOf(protocol)));
  const most = Math.max(...shown.map(value));
  const caseOf = (protocol, chunk) => shown.find((c) => c.protocol === protocol && c.chunk_bytes === chunk);
  const cell = (protocol, chunk) => {
    const c = caseOf(protocol, chunk);
    if (!c) return el("td", {}, NONE);
    const style = `--share:${whole((100 * value(c)) / most)}%`;
    return el("td", { class: "shade", style, title: `${nameOf(c)}: ${rangeText(spread(c), text)}` }, text(value(c)));
  };
  const head = el(
    "tr",
    {},
    ["chunk", ...protocols].map((name) => el("th", { scope: "col" }, name)),
  );
  const row = (chunk) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, sizeText(chunk)),
      protocols.map((protocol) => cell(protocol, chunk)),
    );
  const body = el("tbody", {}, chunks.map(row));
  const rows = chunks.map((chunk) => [
    sizeText(chunk),
    ...protocols.map((protocol) => given(caseOf(protocol, chunk), (c) => text(value(c)))),
  ]);
  const choices = stated.map(({ label: name, text: chosen }) => [name, chosen]);
  const save = () =>
    saveCsv(fileOf("matrix", choices, "csv"), ...withChoices(choices, [[`chunk (${label})`, ...protocols], rows]));
  return [
    scrolling("The matrix", el("table", { class: "matrix" }, el("caption", {}, label), el("thead", {}, head), body)),
    saveButtons("the matrix", { CSV: save }),
  ];
}

/** The section with the matrix; null unless protocols and chunk sizes both vary and a figure is known. */
function matrixSection() {
  const cases = data.cases.filter((c) => c.peer === null && !c.is_control && !CEILINGS.has(c.protocol));
  const varied = inLinesOver(inLinesOver(cases, "protocol"), "chunk");
  if (varied.length === 0) return null;
  const isKnown = ({ value }) => varied.some((c) => value(c) != null);
  const figures = Object.keys(MATRIX_FIGURES).filter((name) => isKnown(MATRIX_FIGURES[name]));
  if (figures.length === 0) return null;
  const dimensions = { direction: DIMENSIONS.direction, setup: DIMENSIONS.setup, body: DIMENSIONS.body };
  const plan = { cases: varied, dimensions };
  const chosen = {};
  for (const [name, { of }] of Object.entries(dimensions))
    chosen[name] = varied.map(of).find((value) => String(value) === stateOf(`matrix.${name}`));
  const table = el("div", {});
  const select = el(
    "select",
    { name: "figure" },
    figures.map((name) => el("option", { value: name }, MATRIX_FIGURES[name].label)),
  );
  if (figures.includes(stateOf("matrix.figure"))) select.value = stateOf("matrix.figure");
  const choosers = Object.keys(dimensions).map((name) =>
    chooser(plan, name, (changed, value) => {
      chosen[changed] = value;
      setState(`matrix.${changed}`, String(value));
      show();
    }),
  );
  select.addEventListener("change", () => {
    setState("matrix.figure", select.value);
    show();
  });
  function show() {
    const { cases: left, choices } = narrow(varied, dimensions, chosen);
    for (const each of choosers) offer(each, choices[each.name], dimensions[each.name]);
    table.replaceChildren(...matrixTable(left, MATRIX_FIGURES[select.value], statedChoices(plan, choices)));
  }
  show();
  return section(
    "matrix",
    "Protocol by chunk size",
    el(
      "div",
      { class: "choosers" },
      el("label", {}, el("span", {}, "Figure"), select),
      choosers.map(({ element }) => element),
    ),
    table,
  );
}
