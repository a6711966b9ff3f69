// The charts that compare protocols: goodput, by itself and over a plain loop, by chunk size.

const NOTHING_SHOWN = "All protocols of this chart are hidden.";
const isOf = (protocol) => (c) => c.protocol === protocol;

/** One line per protocol over the chunk sizes; each point is a case, or undefined. */
function linesByChunk(cases, value) {
  const measured = cases.filter((c) => value(c) != null);
  const chunks = distinct(measured.map((c) => c.chunk_bytes)).sort(ascending);
  const lines = PROTOCOLS.filter((protocol) => measured.some(isOf(protocol))).map((protocol) => ({
    protocol,
    points: chunks.map((chunk) => measured.find((c) => c.protocol === protocol && c.chunk_bytes === chunk)),
  }));
  return { chunks, lines };
}

const CEILINGS = new Set(data.protocols.filter(({ is_ceiling }) => is_ceiling).map(({ name }) => name));

/** The text at the end of a line. It marks a ceiling that a row exceeds, because such a ceiling is too low. */
const endText = (protocol) =>
  data.protocols.some(({ name, is_exceeded }) => name === protocol && is_exceeded) ? `${protocol} (exceeded)` : protocol;

/** The most pixels between the points of neighbouring lines at one chunk size, so that no range hides another. */
const DODGE = 5;

/** The pixels between the points of neighbouring lines, of `count`: fewer if chunk sizes are near each other. */
function dodgeOf(chunks, count, chartWidth) {
  const steps = chunks.slice(1).map((chunk, at) => Math.log2(chunk / chunks[at]));
  return Math.min(DODGE, (0.6 * Math.min(...steps) * pixelsPerDoubling(chunks, chartWidth)) / count);
}

/**
 * A view over chunk sizes. A figure has value(case), spread(case), axis(cases), amount(value), reading(cases), and for
 * tips and numbers heads and texts(case). rounds(case) and `at`, the amount of a line to compare with, are optional.
 */
function byChunkView(cases, figure) {
  const { chunks, lines } = linesByChunk(
    cases.filter((c) => !CEILINGS.has(c.protocol)),
    figure.value,
  );
  // A ceiling has a chunk size of its own, but holds for all chunk sizes.
  const ceilings = linesByChunk(
    cases.filter((c) => CEILINGS.has(c.protocol)),
    figure.value,
  ).lines.map(({ protocol, points }) => ({ protocol, points: [points.find(Boolean)] }));
  const shown = [...lines, ...ceilings].flatMap(({ points }) => points.filter(Boolean));
  const numbers = [
    ["Protocol", "Chunk", ...figure.heads],
    shown.map((c) => [c.protocol, sizeText(c.chunk_bytes), ...figure.texts(c)]),
  ];
  const reading = shown.length > 0 ? figure.reading(shown.filter((c) => !CEILINGS.has(c.protocol))) : NOTHING_SHOWN;
  const drawing =
    chunks.length > 1 ? lineDrawing(chunks, lines, ceilings, figure) : rowDrawing([...lines, ...ceilings], figure);
  return { reading, keys: [], numbers, ...drawing };
}

/** One line per protocol over the chunk sizes, with the ranges of its points, and ceilings as lines across. */
function lineDrawing(chunks, lines, ceilings, figure) {
  const amountOf = (point) => (point ? figure.amount(figure.value(point)) : null);
  const shown = [...lines, ...ceilings];
  const names = shown.map(({ protocol }) => endText(protocol));
  const pad = (DODGE * lines.length) / 2 + 4;
  const xOf = (line, chunk, chartWidth) => {
    const pixels = (line - (lines.length - 1) / 2) * dodgeOf(chunks, lines.length, chartWidth);
    return chunk * 2 ** (pixels / pixelsPerDoubling(chunks, chartWidth));
  };
  const edgeOf = (chartWidth) => sizeAxis("", chunks, chartWidth, pad).max;
  const tip = ([{ dataIndex: at }]) => {
    const present = shown
      .map(({ protocol, points }) => ({ protocol, point: CEILINGS.has(protocol) ? points[0] : points[at] }))
      .filter(({ point }) => point)
      .sort((a, b) => figure.value(b.point) - figure.value(a.point));
    return tipTable(
      `${sizeText(chunks[at])} chunks`,
      present.map(({ protocol, point }) => [protocol, ...figure.texts(point)]),
      { heads: figure.heads },
    );
  };
  const series = ({ protocol, points }, line, chartWidth, yAxis) => {
    const ranges = points.map((point, at) => point && uprightOf(figure, point, xOf(line, chunks[at], chartWidth)));
    return [
      lineSeries(
        protocol,
        points.map((point, at) => [xOf(line, chunks[at], chartWidth), amountOf(point)]),
      ),
      rangeSeries(protocol, ranges),
      cutSeries(protocol, ranges, 1, yAxis),
    ];
  };
  const ceiling = ({ protocol, points: [point] }, chartWidth) =>
    acrossSeries(protocol, edgeOf(chartWidth), amountOf(point));
  return {
    ends: (chartWidth) =>
      shown.map(({ protocol, points }) => ({
        name: protocol,
        text: endText(protocol),
        at: [edgeOf(chartWidth), amountOf(points.findLast(Boolean))],
      })),
    option: (chartWidth) => {
      const yAxis = figure.axis(shown.flatMap(({ points }) => points.filter(Boolean)));
      return chartOption(tip, {
        grid: { ...chartGrid(), right: roomFor(names) },
        xAxis: sizeAxis("chunk size", chunks, chartWidth, pad),
        yAxis,
        series: [
          ...lines.flatMap((line, at) => series(line, at, chartWidth, yAxis)),
          ...ceilings.map((line) => ceiling(line, chartWidth)),
          ...(figure.at == null ? [] : [comparedLine("yAxis", figure.at)]),
        ],
      });
    },
  };
}

/** The range of a case as an upright line at `x`; null without a range. */
const uprightOf = (figure, c, x) =>
  given(rangeOf(figure.spread(c)), (range) => range.map((value) => [x, figure.amount(value)]));

/** A line across the chart at the amount of a ceiling. */
function acrossSeries(name, x, y) {
  const lineStyle = { color: colourOf(name), type: dashesOf(styleOf(name).line), width: 1.5 };
  const markLine = { silent: true, symbol: "none", data: [{ yAxis: y }], lineStyle, label: { show: false } };
  return { ...lineSeries(name, [[x, y]]), symbol: "none", markLine };
}

/** A line across the chart at the amount `at`, with which the figure is compared. */
function comparedLine(axis, at) {
  const lineStyle = { color: palette().text, type: "solid", width: 1 };
  return {
    type: "line",
    id: `${BESIDE}compared`,
    data: [],
    markLine: { silent: true, symbol: "none", data: [{ [axis]: at }], lineStyle, label: { show: false } },
  };
}

const ROW_HEIGHT = 36;

/** One row per protocol: its median, its range and its rounds. */
function rowDrawing(lines, figure) {
  const points = lines.map(({ points: [point] }) => point);
  const names = lines.map(({ protocol }) => protocol);
  const amountOf = (c) => figure.amount(figure.value(c));
  const tip = ([{ dataIndex: at }]) =>
    tipTable(sizeText(points[at].chunk_bytes), [[names[at], ...figure.texts(points[at])]], { heads: figure.heads });
  const label = { show: true, position: "top", distance: 6, fontSize: 12, color: palette().text };
  const series = (c, at, xAxis) => {
    const ranges = [given(rangeOf(figure.spread(c)), (range) => range.map((value) => [figure.amount(value), at]))];
    return [
      {
        ...pointSeries(
          names[at],
          names.map((_, other) => (other === at ? [amountOf(c), at] : ["-", other])),
        ),
        label: { ...label, formatter: figure.texts(c)[0] },
      },
      rangeSeries(names[at], ranges),
      cutSeries(names[at], ranges, 0, xAxis),
      roundSeries(
        names[at],
        (figure.rounds?.(c) ?? []).map((value) => [figure.amount(value), at]),
      ),
    ];
  };
  return {
    height: Math.max(160, 70 + ROW_HEIGHT * names.length),
    option: () => {
      const xAxis = { ...figure.axis(points), ...BELOW_ROWS };
      return chartOption(tip, {
        xAxis,
        yAxis: rowAxis(names),
        series: [
          ...points.flatMap((c, at) => series(c, at, xAxis)),
          ...(figure.at == null ? [] : [comparedLine("xAxis", figure.at)]),
        ],
      });
    },
  };
}

/** An axis with one row per name. */
const rowAxis = (names) =>
  categoryAxis(null, names, {
    inverse: true,
    axisLabel: { ...labelStyle(), interval: 0 },
    splitLine: { show: true, lineStyle: { color: palette().grid } },
  });

const BELOW_ROWS = { nameLocation: "middle", nameGap: 28 };

function goodputPlan(cases, direction) {
  const noun = DIRECTIONS[direction];
  const words = (c) => `${c.protocol}, ${rateText(goodput(c))} at ${sizeText(c.chunk_bytes)}`;
  return {
    id: `goodput-${direction}`,
    heading: `${upperFirst(noun)} goodput by chunk size`,
    term: "goodput",
    cases: cases.filter((c) => c.direction === direction && goodput(c) != null),
    least: 2,
    isByProtocol: true,
    dimensions: { setup: DIMENSIONS.setup, body: DIMENSIONS.body },
    view: (shown) =>
      byChunkView(shown, {
        value: goodput,
        spread: (c) => c.goodput_bytes_per_s,
        rounds: (c) => c.rounds,
        axis: () => amountAxis("MiB/s"),
        amount: toMib,
        reading: (points) => standoutText(points, (c) => c.goodput_bytes_per_s, ["Highest", "Lowest"], words, rateText),
        heads: ["MiB/s", "range", "Gbit/s"],
        texts: (c) => [
          threeDigits(toMib(goodput(c))),
          rangeText(c.goodput_bytes_per_s, (rate) => threeDigits(toMib(rate))),
          threeDigits(toGbit(goodput(c))),
        ],
      }),
  };
}

/** The ratios at which a logarithmic axis has marks: of a narrow range, and of a wide one. */
const RATIO_MARKS = [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 1.75, 2];
const WIDE_RATIO_MARKS = [1 / 16, 1 / 8, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 8, 16, 32];

/** A logarithmic axis of ratios around 1. Ranges far beyond the medians are cut off. */
function ratioAxis(points) {
  const spreads = points.map((c) => c.of_baseline);
  const medians = spreads.map(({ median }) => median);
  const ranges = spreads.map(rangeOf).filter(Boolean);
  const [lowest, highest] = [Math.min(0.8, ...medians), Math.max(1.25, ...medians)];
  const min = Math.max(lowest / 1.3, Math.min(lowest, ...ranges.map(([low]) => low))) / 1.04;
  const max = Math.min(highest * 1.3, Math.max(highest, ...ranges.map(([, high]) => high))) * 1.04;
  const customValues = (max / min < 3 ? RATIO_MARKS : WIDE_RATIO_MARKS).filter((mark) => mark > min && mark < max);
  return amountAxis("1.00 = as fast as a plain loop; logarithmic", {
    type: "log",
    logBase: 2,
    min,
    max,
    axisTick: { show: false, customValues },
    axisLabel: { ...labelStyle(), customValues, formatter: twoDecimals },
  });
}

function taxPlan(cases, direction) {
  const noun = DIRECTIONS[direction];
  const share = (c) => c.of_baseline?.median ?? null;
  const text = (c) => `${twoDecimals(share(c))} of ${c.of_baseline.baseline}`;
  const words = (c) => `${c.protocol}, ${text(c)} at ${sizeText(c.chunk_bytes)}`;
  return {
    id: `tax-${direction}`,
    heading: `${upperFirst(noun)} goodput over that of a plain loop`,
    term: "base",
    cases: cases.filter((c) => c.direction === direction && share(c) != null),
    least: 2,
    isByProtocol: true,
    dimensions: { setup: DIMENSIONS.setup, body: DIMENSIONS.body },
    view: (shown) =>
      byChunkView(shown, {
        value: share,
        spread: (c) => c.of_baseline,
        axis: ratioAxis,
        amount: (v) => v,
        reading: (points) => standoutText(points, (c) => c.of_baseline, ["Highest", "Lowest"], words, twoDecimals),
        heads: ["ratio", "range", "of"],
        texts: (c) => [twoDecimals(share(c)), rangeText(c.of_baseline, twoDecimals), c.of_baseline.baseline],
        at: 1,
      }),
  };
}
