// How lines, points and bars look: one style a name, never told apart by colour alone.

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
    grey: "#8b949f",
    slate: "#c3cad2",
    ink: "#f2f4f6",
  },
};

/** Outlines in a box of 10 by 10. */
const SYMBOLS = {
  disc: "M5 0A5 5 0 1 1 5 10A5 5 0 1 1 5 0Z",
  ring: "M5 0A5 5 0 1 1 5 10A5 5 0 1 1 5 0ZM5 2.2A2.8 2.8 0 1 0 5 7.8A2.8 2.8 0 1 0 5 2.2Z",
  square: "M0.5 0.5H9.5V9.5H0.5Z",
  frame: "M0.5 0.5H9.5V9.5H0.5ZM2.7 2.7V7.3H7.3V2.7Z",
  triangle: "M5 0L10 10H0Z",
  tent: "M5 0L10 10H0ZM5 4.4L3.3 7.9H6.7Z",
  diamond: "M5 0L10 5L5 10L0 5Z",
  cross: "M3.4 0H6.6V3.4H10V6.6H6.6V10H3.4V6.6H0V3.4H3.4Z",
};

/** Hue stands for the version of HTTP, the line for what is below: dotted without HTTP, dashed over cleartext, else solid. */
const STYLES = {
  tcp: { colour: "grey", symbol: "ring", line: "dotted" },
  h1c: { colour: "sky", symbol: "disc", line: "dashed" },
  h2c: { colour: "amber", symbol: "triangle", line: "dashed" },
  tls: { colour: "slate", symbol: "frame", line: "dotted" },
  h1: { colour: "blue", symbol: "square", line: "solid" },
  h2: { colour: "orange", symbol: "diamond", line: "solid" },
  quic: { colour: "purple", symbol: "tent", line: "dotted" },
  h3: { colour: "green", symbol: "cross", line: "solid" },
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

const darkScheme = matchMedia("(prefers-color-scheme: dark)");
let isPrinting = false;

const palette = () => (darkScheme.matches && !isPrinting ? PALETTES.dark : PALETTES.light);

const symbolOf = (name) => (STYLES[name].symbol === "none" ? "none" : `path://${SYMBOLS[STYLES[name].symbol]}`);

function lineSeries(name, data, extra = {}) {
  const color = palette()[STYLES[name].colour];
  return {
    type: "line",
    name,
    data,
    symbol: symbolOf(name),
    symbolSize: 8,
    showAllSymbol: true,
    lineStyle: { color, width: 2, type: STYLES[name].line },
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
    itemStyle: { color: palette()[STYLES[name].colour], opacity: 1 },
  };
}

/** Bars carry their name, as their patterns have no key. */
function barSeries(name, data, label) {
  return {
    type: "bar",
    name,
    data,
    barGap: "10%",
    barMaxWidth: 40,
    itemStyle: { color: palette()[STYLES[name].colour] },
    label: { show: true, color: palette().text, fontSize: 11, formatter: "{a}", ...label },
  };
}

/** A name with its line and symbol, as they are in the chart. */
function keyOf(name, isBar = false) {
  const { symbol, line } = STYLES[name];
  const color = palette()[STYLES[name].colour];
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

/** Those of the ascending sizes that have room for a label on a logarithmic axis of a chart of this width. */
function labelled(sizes, chartWidth) {
  const pixelsPerDoubling = (chartWidth - 80) / Math.log2(sizes.at(-1) / sizes[0]);
  const kept = [sizes[0]];
  for (const size of sizes) if (Math.log2(size / kept.at(-1)) * pixelsPerDoubling >= 56) kept.push(size);
  return kept;
}

/** An axis of sizes in powers of two, marked where there are points. */
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

/** What every chart has in common. `tip` makes an element of what is pointed at. */
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
