// Styles of lines, points and bars: one per name, distinguishable without colour.

/** Outlines of symbols in a box of 10 by 10. */
const SYMBOLS = {
  hourglass: "M0 0H10L6 5L10 10H0L4 5Z",
  lozenge: "M5 0L10 5L5 10L0 5ZM5 3L3 5L5 7L7 5Z",
  wedge: "M0 0H10L5 10Z",
  saltire: "M1.8 0L5 3.2L8.2 0L10 1.8L6.8 5L10 8.2L8.2 10L5 6.8L1.8 10L0 8.2L3.2 5L0 1.8Z",
  bars: "M0 0H3.6V10H0ZM6.4 0H10V10H6.4Z",
  basket: "M0 0H10L5 10ZM5 5.6L6.7 2.1H3.3Z",
  bowtie: "M0 0L5 4L10 0V10L5 6L0 10Z",
  layers: "M0 0H10V3.6H0ZM0 6.4H10V10H0Z",
  disc: "M5 0A5 5 0 1 1 5 10A5 5 0 1 1 5 0Z",
  ring: "M5 0A5 5 0 1 1 5 10A5 5 0 1 1 5 0ZM5 2.2A2.8 2.8 0 1 0 5 7.8A2.8 2.8 0 1 0 5 2.2Z",
  square: "M0.5 0.5H9.5V9.5H0.5Z",
  frame: "M0.5 0.5H9.5V9.5H0.5ZM2.7 2.7V7.3H7.3V2.7Z",
  triangle: "M5 0L10 10H0Z",
  tent: "M5 0L10 10H0ZM5 4.4L3.3 7.9H6.7Z",
  diamond: "M5 0L10 5L5 10L0 5Z",
  cross: "M3.4 0H6.6V3.4H10V6.6H6.6V10H3.4V6.6H0V3.4H3.4Z",
};

/** Styles of protocols, by name, as the data gives them. */
const protocolStyles = new Map(
  data.protocols.map(({ name, style: { colour, symbol, dashes } }) => [name, { colour, symbol, line: dashes }]),
);

/** Styles of lines, points and bars that do not stand for a protocol, by name. */
const STYLES = {
  sender: { colour: "teal", symbol: "disc", line: "solid" },
  receiver: { colour: "rose", symbol: "diamond", line: "solid" },
  "sender allowance": { colour: "teal", symbol: "none", line: [8, 5] },
  "receiver allowance": { colour: "rose", symbol: "none", line: [8, 3, 2, 3] },
  "sender ceiling": { colour: "teal", symbol: "none", line: [2, 3] },
  "receiver ceiling": { colour: "rose", symbol: "none", line: [2, 6] },
  "sender RSS": { colour: "teal", symbol: "none", line: "solid" },
  "receiver RSS": { colour: "rose", symbol: "none", line: [9, 3] },
  "sender anonymous RSS": { colour: "teal", symbol: "none", line: [2, 3] },
  "receiver anonymous RSS": { colour: "rose", symbol: "none", line: [2, 6] },
  "sender goodput": { colour: "teal", symbol: "none", line: "solid" },
  "receiver goodput": { colour: "rose", symbol: "none", line: [9, 3] },
  control: { colour: "ochre", symbol: "wedge" },
  p1: { colour: "purple", symbol: "triangle" },
  p5: { colour: "blue", symbol: "frame" },
  p50: { colour: "ink", symbol: "disc" },
  p95: { colour: "green", symbol: "diamond" },
  p99: { colour: "blue", symbol: "diamond" },
  "p99.9": { colour: "purple", symbol: "frame" },
  max: { colour: "orange", symbol: "cross" },
};

const styleOf = (name) => protocolStyles.get(name) ?? STYLES[name];
const colourOf = (name) => palette()[styleOf(name).colour];

const darkScheme = matchMedia("(prefers-color-scheme: dark)");
let isPrinting = false;

const palette = () => (darkScheme.matches && !isPrinting ? data.palettes.dark : data.palettes.light);

function symbolOf(name) {
  const { symbol } = styleOf(name);
  return symbol === "none" ? "none" : `path://${SYMBOLS[symbol]}`;
}

function lineSeries(name, data, extra = {}) {
  const color = colourOf(name);
  return {
    type: "line",
    name,
    data,
    symbol: symbolOf(name),
    symbolSize: 8,
    showAllSymbol: true,
    lineStyle: { color, width: 2, type: dashesOf(styleOf(name).line) },
    itemStyle: { color },
    emphasis: { focus: "series" },
    ...extra,
  };
}

/** The option of ECharts for dashes: an empty list is a solid line. */
const dashesOf = (line) => (Array.isArray(line) && line.length === 0 ? "solid" : line);

/** The prefix of the ids of series that only accompany another series: ranges, rounds and labels. */
const BESIDE = "beside ";

/** The ranges of points as thin lines, `[from, to]` each; a point without a range has null. */
function rangeSeries(name, ranges, colour = colourOf(name)) {
  return {
    type: "line",
    id: `${BESIDE}range ${name}`,
    data: ranges.filter(Boolean).flatMap(([from, to]) => [from, to, ["-", "-"]]),
    symbol: "none",
    silent: true,
    lineStyle: { color: colour, width: 1.25, opacity: 0.8 },
    itemStyle: { color: colour },
    tooltip: { show: false },
    z: 1,
  };
}

/** The rotations of arrows out of the chart, in degrees: at the low and the high end of the x- and y-axis. */
const ARROWS = [
  [90, -90],
  [180, 0],
];

/** Arrows at the edge of an axis for ranges that are cut off there. `dimension` is 0 for the x-axis, 1 for y. */
function cutSeries(name, ranges, dimension, { min, max }) {
  const arrow = (point, edge, symbolRotate) => ({ value: Object.assign([...point], { [dimension]: edge }), symbolRotate });
  const [toLow, toHigh] = ARROWS[dimension];
  const data = ranges
    .filter(Boolean)
    .flatMap(([from, to]) => [
      min != null && from[dimension] < min && arrow(from, min, toLow),
      max != null && to[dimension] > max && arrow(to, max, toHigh),
    ])
    .filter(Boolean);
  return {
    type: "scatter",
    id: `${BESIDE}cut ${name}`,
    data,
    symbol: "triangle",
    symbolSize: 8,
    silent: true,
    clip: false,
    itemStyle: { color: colourOf(name), opacity: 1 },
    tooltip: { show: false },
  };
}

/** The rounds as small dots behind the median. */
function roundSeries(name, points, extra = {}) {
  return {
    type: "scatter",
    id: `${BESIDE}rounds ${name}`,
    data: points,
    symbol: "circle",
    symbolSize: 5,
    silent: true,
    itemStyle: { color: colourOf(name), opacity: 0.4 },
    tooltip: { show: false },
    z: 1,
    ...extra,
  };
}

/** The parameters of a tip, without those of series that only accompany another series. */
const ownParams = (params) => params.filter(({ seriesId }) => !seriesId?.startsWith(BESIDE));

function pointSeries(name, data) {
  return {
    type: "scatter",
    name,
    data,
    symbol: symbolOf(name),
    symbolSize: 10,
    itemStyle: { color: colourOf(name), opacity: 1 },
  };
}

/** Bars with their name on them, because the keys do not show their patterns. */
function barSeries(name, data, label) {
  return {
    type: "bar",
    name,
    data,
    barGap: "10%",
    barMaxWidth: 40,
    itemStyle: { color: colourOf(name) },
    label: { show: true, color: palette().text, fontSize: 11, formatter: "{a}", ...label },
  };
}

/** A name beside its line and symbol, as in the chart. */
function keyOf(name, isBar = false) {
  const { symbol, line } = styleOf(name);
  const color = colourOf(name);
  const isLine = line && !isBar;
  const dash = isLine && line !== "solid" ? line.join(" ") : null;
  const sample = svg(
    "svg",
    { width: isLine ? 30 : 12, height: 12, "aria-hidden": "true" },
    isLine && svg("path", { d: "M0 6H30", stroke: color, "stroke-width": 2, "stroke-dasharray": dash }),
    isBar && svg("path", { d: "M0 0H12V12H0Z", fill: color }),
    symbol !== "none" &&
      !isBar &&
      svg("path", { d: SYMBOLS[symbol], fill: color, transform: `translate(${isLine ? 10 : 1} 1)` }),
  );
  return el("span", { class: "key" }, sample, name);
}

const labelStyle = () => ({ color: palette().quiet, fontSize: 12 });

/** An axis of amounts, from 0 unless it is logarithmic. */
function amountAxis(name, extra = {}) {
  return {
    type: "value",
    name,
    nameLocation: "end",
    nameTextStyle: { ...labelStyle(), align: "left" },
    axisLabel: { ...labelStyle(), hideOverlap: true },
    axisLine: { show: false },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: palette().grid } },
    ...extra,
  };
}

/** The pixels of a factor of two on an axis from the first to the last of ascending sizes. */
const pixelsPerDoubling = (sizes, chartWidth) =>
  Math.max(40, chartWidth - 150) / Math.max(1, Math.log2(sizes.at(-1) / sizes[0]));

/** The sizes, of an ascending list, whose labels fit on a logarithmic axis in a chart of this width. */
function labelled(sizes, chartWidth) {
  const pixels = pixelsPerDoubling(sizes, chartWidth);
  const kept = [sizes[0]];
  for (const size of sizes) if (Math.log2(size / kept.at(-1)) * pixels >= 56) kept.push(size);
  return kept;
}

/** A logarithmic axis of sizes: a mark at every size with a point, and `pad` pixels of room at both ends. */
function sizeAxis(name, sizes, chartWidth, pad = 0) {
  const room = 2 ** (pad / pixelsPerDoubling(sizes, chartWidth));
  return {
    type: "log",
    logBase: 2,
    name,
    min: sizes[0] / room,
    max: sizes.at(-1) * room,
    nameLocation: "middle",
    nameGap: 28,
    nameTextStyle: labelStyle(),
    axisLabel: { ...labelStyle(), customValues: labelled(sizes, chartWidth), formatter: sizeText },
    axisLine: { lineStyle: { color: palette().axis } },
    axisTick: { customValues: sizes },
    splitLine: { show: false },
  };
}

function categoryAxis(name, data, extra = {}) {
  return {
    type: "category",
    name,
    data,
    nameLocation: "middle",
    nameGap: 28,
    nameTextStyle: labelStyle(),
    axisLabel: labelStyle(),
    axisLine: { lineStyle: { color: palette().axis } },
    axisTick: { show: false },
    ...extra,
  };
}

const chartGrid = () => ({ left: 4, right: 16, top: 8, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "all" });

/** The options common to all charts. `tip` makes the element that describes the point under the pointer. */
function chartOption(tip, parts) {
  const { surface, axis, text } = palette();
  return {
    animation: false,
    aria: { enabled: true, label: { enabled: false }, decal: { show: true } },
    textStyle: { fontFamily: "system-ui, sans-serif" },
    grid: chartGrid(),
    tooltip: {
      trigger: "axis",
      confine: true,
      transitionDuration: 0,
      backgroundColor: surface,
      borderColor: axis,
      textStyle: { color: text, fontSize: 13 },
      axisPointer: { lineStyle: { color: axis }, shadowStyle: { color: axis, opacity: 0.15 } },
      formatter: (params) => (ownParams(params).length > 0 ? tip(ownParams(params)) : ""),
    },
    ...parts,
  };
}

/** The content of a tip. `heads` names the columns after the first; without it, there is no header. */
function tipTable(title, rows, { hasBars = false, heads = [] } = {}) {
  const row = ([name, ...texts]) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, styleOf(name) ? keyOf(name, hasBars) : name),
      texts.map((text) => el("td", {}, text)),
    );
  const head =
    heads.length > 0 &&
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        ["", ...heads].map((text) => el("th", { scope: "col" }, text)),
      ),
    );
  return el("div", { class: "tip" }, el("strong", {}, title), el("table", {}, head, el("tbody", {}, rows.map(row))));
}
