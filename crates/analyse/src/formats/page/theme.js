// Styles of lines, points and bars: one per name, distinguishable without colour.

const PALETTES = {
  light: {
    text: "#1b1f24",
    quiet: "#59616b",
    axis: "#9aa2ac",
    grid: "#e3e6ea",
    surface: "#ffffff",
    blue: "#1d5fc2",
    sky: "#3f86dd",
    orange: "#ad420c",
    amber: "#cc6a1f",
    green: "#17794a",
    purple: "#7d559c",
    indigo: "#5a4fcf",
    ochre: "#8f6a00",
    teal: "#0b7f86",
    olive: "#5f7a12",
    rose: "#a3487c",
    grey: "#7c848e",
    slate: "#49515b",
    ink: "#1b1f24",
  },
  dark: {
    text: "#e6e9ed",
    quiet: "#a3acb7",
    axis: "#66707c",
    grid: "#2b3139",
    surface: "#181c21",
    blue: "#79b0ff",
    sky: "#4c8ee6",
    orange: "#ff9c5c",
    amber: "#d67c38",
    green: "#4fc78a",
    purple: "#bf9fdb",
    indigo: "#a49bff",
    ochre: "#d9b13b",
    teal: "#45c6cc",
    olive: "#b3cc5a",
    rose: "#ee93c0",
    grey: "#8b949f",
    slate: "#c3cad2",
    ink: "#f2f4f6",
  },
};

/** Outlines of symbols in a box of 10 by 10; those that no released protocol uses come first. */
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

/** Colours and symbols of the combinations of carrier and HTTP version that longhaul is released with. */
const LOOKS = {
  "tcp/none": { colour: "grey", symbol: "ring" },
  "tcp/1.1": { colour: "sky", symbol: "disc" },
  "tcp/2": { colour: "amber", symbol: "triangle" },
  "tls/none": { colour: "slate", symbol: "frame" },
  "tls/1.1": { colour: "blue", symbol: "square" },
  "tls/2": { colour: "orange", symbol: "diamond" },
  "quic/none": { colour: "purple", symbol: "tent" },
  "quic/3": { colour: "green", symbol: "cross" },
};

/** Colours of all other protocols, by HTTP version. */
const HUES = {
  none: ["rose", "grey", "slate", "purple"],
  1.1: ["indigo", "sky", "blue"],
  2: ["ochre", "amber", "orange"],
  3: ["teal", "olive", "green"],
};
const OTHER_HUES = ["rose", "indigo", "ochre", "teal", "olive"];

/** Styles of protocols, by name. */
const protocolStyles = new Map();

const lookOf = ({ carrier, http }) => `${carrier}/${http ?? "none"}`;

/** The line of a protocol: dotted without HTTP, dashed over cleartext TCP, else solid. */
const lineOf = ({ carrier, http }) => (http == null ? "dotted" : carrier === "tcp" ? "dashed" : "solid");

/** The value with the fewest uses so far; among several, the first. */
const leastUsed = (values, used) => lowest(values, (value) => used.filter((other) => other === value).length);

/** Gives every protocol its style. No two protocols have both the symbol and the line in common. */
function styleProtocols(protocols) {
  const others = [];
  for (const protocol of protocols) {
    const look = LOOKS[lookOf(protocol)];
    const isTaken = [...protocolStyles.values()].some(({ symbol }) => symbol === look?.symbol);
    if (look && !isTaken) protocolStyles.set(protocol.name, { ...look, line: lineOf(protocol) });
    else others.push(protocol);
  }
  for (const protocol of others) protocolStyles.set(protocol.name, spareStyle(protocol, [...protocolStyles.values()]));
}

/** A style beside those in use. Symbols are used again once all of them are taken, each time with another line. */
function spareStyle(protocol, styles) {
  const symbols = styles.map(({ symbol }) => symbol);
  const symbol = leastUsed(Object.keys(SYMBOLS), symbols);
  const colours = styles.map(({ colour }) => colour);
  const colour = leastUsed(HUES[protocol.http ?? "none"] ?? OTHER_HUES, colours);
  const uses = symbols.filter((other) => other === symbol).length;
  return { colour, symbol, line: uses === 0 ? lineOf(protocol) : spareLine(lineOf(protocol), uses) };
}

/** A pattern of dashes in the manner of `line`, another for each use of a symbol. */
function spareLine(line, uses) {
  if (line === "dotted") return [2, 3 + 2 * uses];
  if (line === "dashed") return [6 + 4 * uses, 4];
  return [16, 3, ...Array(uses).fill([2, 3]).flat()];
}

/** Styles of everything that is drawn and is not a protocol, by name. */
const STYLES = {
  sender: { colour: "blue", symbol: "disc", line: "solid" },
  receiver: { colour: "orange", symbol: "diamond", line: "solid" },
  "sender allowance": { colour: "blue", symbol: "none", line: [8, 5] },
  "receiver allowance": { colour: "orange", symbol: "none", line: [8, 3, 2, 3] },
  "sender ceiling": { colour: "blue", symbol: "none", line: [2, 3] },
  "receiver ceiling": { colour: "orange", symbol: "none", line: [2, 6] },
  "sender RSS": { colour: "blue", symbol: "none", line: "solid" },
  "receiver RSS": { colour: "orange", symbol: "none", line: [9, 3] },
  "sender anonymous RSS": { colour: "blue", symbol: "none", line: [2, 3] },
  "receiver anonymous RSS": { colour: "orange", symbol: "none", line: [2, 6] },
  "sender goodput": { colour: "blue", symbol: "none", line: "solid" },
  "receiver goodput": { colour: "orange", symbol: "none", line: [9, 3] },
  "1.00, as without HTTP": { colour: "ink", symbol: "none", line: "solid" },
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

const palette = () => (darkScheme.matches && !isPrinting ? PALETTES.dark : PALETTES.light);

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
    lineStyle: { color, width: 2, type: styleOf(name).line },
    itemStyle: { color },
    emphasis: { focus: "series" },
    ...extra,
  };
}

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
  const dash = isLine && ({ dashed: [6, 4], dotted: [2, 3], solid: [] }[line] ?? line).join(" ");
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

/** The sizes, of an ascending list, whose labels fit on a logarithmic axis in a chart of this width. */
function labelled(sizes, chartWidth) {
  const pixelsPerDoubling = (chartWidth - 80) / Math.log2(sizes.at(-1) / sizes[0]);
  const kept = [sizes[0]];
  for (const size of sizes) if (Math.log2(size / kept.at(-1)) * pixelsPerDoubling >= 56) kept.push(size);
  return kept;
}

/** An axis of sizes in powers of two, with a mark at every size that has a point. */
function sizeAxis(name, sizes, chartWidth) {
  return {
    type: "log",
    logBase: 2,
    name,
    min: sizes[0],
    max: sizes.at(-1),
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

/** The options common to all charts. `tip` makes the element that describes the point under the pointer. */
function chartOption(tip, parts) {
  const { surface, axis, text } = palette();
  return {
    animation: false,
    aria: { enabled: true, label: { enabled: false }, decal: { show: true } },
    textStyle: { fontFamily: "system-ui, sans-serif" },
    grid: { left: 4, right: 16, top: 8, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "all" },
    tooltip: {
      trigger: "axis",
      confine: true,
      transitionDuration: 0,
      backgroundColor: surface,
      borderColor: axis,
      textStyle: { color: text, fontSize: 13 },
      axisPointer: { lineStyle: { color: axis }, shadowStyle: { color: axis, opacity: 0.15 } },
      formatter: tip,
    },
    ...parts,
  };
}

function tipTable(title, rows, hasBars) {
  const row = ([name, ...texts]) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, keyOf(name, hasBars)),
      texts.map((text) => el("td", {}, text)),
    );
  return el("div", { class: "tip" }, el("strong", {}, title), el("table", {}, el("tbody", {}, rows.map(row))));
}
