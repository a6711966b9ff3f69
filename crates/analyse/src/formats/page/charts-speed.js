// The charts that compare protocols: goodput, by itself and over a plain loop, by chunk size; percentiles and CPU by protocol.

const NOTHING_SHOWN = "No protocol is chosen.";
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

/** A horizontal line at one amount, as a series. */
function constantLine({ name, at }) {
  const lineStyle = { color: colourOf(name), type: "solid", width: 1 };
  return {
    type: "line",
    name,
    data: [],
    markLine: { silent: true, symbol: "none", data: [{ yAxis: at }], lineStyle, label: { show: false } },
  };
}

/**
 * Whether the names of adjacent bars would overlap in a chart of this width. The axis takes about 80 px, the bars take
 * 0.8 of the rest, and a letter of a name takes about 6.2 px.
 */
function isTight(names, chartWidth) {
  const pitch = ((chartWidth - 80) * 0.8) / names.length;
  return names.some((name, at) => at > 0 && ((name.length + names[at - 1].length) / 2) * 6.2 + 2 > pitch);
}

/** The position of the names of bars, and the axis above which they have room. */
const ABOVE_BARS = { label: { position: "top" }, axis: {} };
const UPRIGHT_ON_BARS = {
  label: { position: "top", rotate: 90, align: "left", verticalAlign: "middle" },
  axis: { boundaryGap: [0, "30%"] },
};

/** Several chunk sizes are points on one line per protocol; a single one gives one bar per protocol. */
function byChunkView(cases, { value, axisName, amount, reading, tipTexts, line, axis = {} }) {
  const { chunks, lines } = linesByChunk(cases, value);
  const isLine = chunks.length > 1;
  const amountOf = (point) => (point ? amount(value(point)) : null);
  const tip = (params) => {
    const at = params[0].dataIndex;
    const present = lines.filter(({ points }) => points[at]).sort((a, b) => value(b.points[at]) - value(a.points[at]));
    return tipTable(
      `${sizeText(chunks[at])} chunks`,
      present.map(({ protocol, points }) => [protocol, ...tipTexts(points[at])]),
      !isLine,
    );
  };
  const series = ({ protocol, points }, label) =>
    isLine
      ? lineSeries(
          protocol,
          points.map((point, at) => [chunks[at], amountOf(point)]),
        )
      : barSeries(protocol, points.map(amountOf), label);
  const names = lines.map(({ protocol }) => protocol);
  return {
    reading: lines.length > 0 ? reading(lines.flatMap(({ points }) => points.filter(Boolean))) : NOTHING_SHOWN,
    keys: [...names, ...(line && lines.length > 0 ? [line.name] : [])],
    hasBars: !isLine,
    option: (chartWidth) => {
      const bars = !isLine && isTight(names, chartWidth) ? UPRIGHT_ON_BARS : ABOVE_BARS;
      return chartOption(tip, {
        xAxis: isLine ? sizeAxis("chunk size", chunks, chartWidth) : categoryAxis("chunk size", chunks.map(sizeText)),
        yAxis: amountAxis(axisName, { ...bars.axis, ...axis }),
        series: [...lines.map((each) => series(each, bars.label)), ...(line ? [constantLine(line)] : [])],
      });
    },
    numbers: [
      ["Chunk", ...names],
      chunks.map((chunk, at) => [
        sizeText(chunk),
        ...lines.map(({ points }) => (points[at] ? tipTexts(points[at])[0] : NONE)),
      ]),
    ],
  };
}

function goodputPlan(cases, direction) {
  const noun = DIRECTIONS[direction];
  const words = (c) => `${c.protocol}, ${rateText(goodput(c))} at ${sizeText(c.chunk_bytes)}`;
  const rounds = (spread) => rangeText(spread, (rate) => whole(toMib(rate)));
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
        axisName: "MiB/s",
        amount: toMib,
        reading: (points) => extremesText(points, goodput, ["Highest median", "Lowest median"], words),
        tipTexts: (c) => [
          rateText(goodput(c)),
          withUnit(twoDecimals(toGbit(goodput(c))), "Gbit/s"),
          rounds(c.goodput_bytes_per_s),
        ],
      }),
  };
}

function taxPlan(cases, direction) {
  const noun = DIRECTIONS[direction];
  const share = (c) => c.of_baseline?.median ?? null;
  const text = (c) => `${twoDecimals(share(c))} of ${c.of_baseline.baseline}`;
  const at = (c) => `${c.protocol}, ${text(c)} at ${sizeText(c.chunk_bytes)}`;
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
        axisName: "of a plain loop",
        amount: (v) => v,
        reading: (points) => extremesText(points, share, ["Highest median", "Lowest median"], at),
        tipTexts: (c) => [text(c), rangeText(c.of_baseline, twoDecimals)],
        line: { name: "1.00, as without HTTP", at: 1 },
        axis: { max: ({ max }) => (max < 1.1 ? 1.1 : null), axisLabel: { ...labelStyle(), formatter: twoDecimals } },
      }),
  };
}

const BY_PROTOCOL = {
  setup: DIMENSIONS.setup,
  body: DIMENSIONS.body,
  direction: DIMENSIONS.direction,
  chunk: DIMENSIONS.chunk,
};

/** The height of a chart with one row per protocol, in pixels; more than eight rows make it taller. */
const rowsHeight = (cases) => Math.max(320, 60 + 32 * distinct(cases.map((c) => c.protocol)).length);

/** One row per protocol. `columns` maps each series to its value of a case, in the axis's unit. */
function byProtocolView(cases, { columns, series, hasBars = false, axis, text, reading }) {
  const rows = PROTOCOLS.flatMap((protocol) => cases.find(isOf(protocol)) ?? []);
  const names = Object.keys(columns).filter((name) => rows.some((c) => columns[name](c) != null));
  const textOf = (c, name) => given(columns[name](c), text) ?? NONE;
  const tip = (params) => {
    const c = rows[params[0].dataIndex];
    return tipTable(
      c.protocol,
      names.map((name) => [name, textOf(c, name)]),
      hasBars,
    );
  };
  return {
    reading: rows.length > 0 ? (reading(rows) ?? "") : NOTHING_SHOWN,
    keys: names,
    hasBars,
    option: () =>
      chartOption(tip, {
        xAxis: axis(),
        yAxis: categoryAxis(
          null,
          rows.map((c) => c.protocol),
          {
            inverse: true,
            axisLabel: { ...labelStyle(), interval: 0 },
            splitLine: { show: true, lineStyle: { color: palette().grid } },
          },
        ),
        series: names.map((name) =>
          series(
            name,
            rows.map((c) => columns[name](c)),
          ),
        ),
      }),
    numbers: [["Protocol", ...names], rows.map((c) => [c.protocol, ...names.map((name) => textOf(c, name))])],
  };
}

const underAxis = (name, extra = {}) =>
  amountAxis(name, { nameLocation: "middle", nameGap: 28, nameTextStyle: labelStyle(), splitNumber: 4, ...extra });

function throughputPlan(cases) {
  const rates = (c) => c.receiver?.throughput;
  const column = (key) => (c) => toMib(rates(c)?.[key]);
  const steadiness = (c) => (rates(c)?.p1 != null && rates(c).p50 ? rates(c).p1 / rates(c).p50 : null);
  const words = (c) => `${c.protocol}, where p1 is ${whole(steadiness(c) * 100)} % of p50`;
  return {
    id: "throughput",
    heading: "Throughput percentiles at the receiver",
    term: "throughput",
    cases: cases.filter(rates),
    isByProtocol: true,
    height: rowsHeight(cases),
    dimensions: BY_PROTOCOL,
    view: (shown) =>
      byProtocolView(shown, {
        columns: { p1: column("p1"), p5: column("p5"), p50: column("p50"), p95: column("p95"), max: column("max") },
        series: pointSeries,
        axis: () => underAxis("MiB/s"),
        text: (v) => withUnit(whole(v), "MiB/s"),
        reading: (rows) =>
          [extremesText(rows, steadiness, ["Steadiest", "Least steady"], words), silenceText(rows)]
            .filter((sentence) => sentence)
            .join(" "),
      }),
  };
}

/** The longest time without bytes at any receiver. */
function silenceText(rows) {
  const silence = (c) => c.receiver?.longest_silence_s;
  const longest = highest(rows, silence);
  return longest && `Longest silence: ${longest.protocol}, ${withUnit(twoDecimals(silence(longest) * 1000), "ms")}.`;
}

function pullWaitPlan(cases) {
  const latency = (c) => c.sender?.pull_wait;
  // A logarithmic axis cannot show 0.
  const column = (key) => (c) => toMicroseconds(latency(c)?.[key]) || null;
  const text = (v) => withUnit(v < 10 ? twoDecimals(v) : whole(v), "µs");
  const words = (c, key) => `${c.protocol}, ${text(column(key)(c))}`;
  return {
    id: "latency",
    heading: "Waits of the sender for the next request",
    term: "latency",
    cases: cases.filter(latency),
    isByProtocol: true,
    height: rowsHeight(cases),
    dimensions: BY_PROTOCOL,
    view: (shown) =>
      byProtocolView(shown, {
        columns: { p50: column("p50"), p99: column("p99"), "p99.9": column("p999"), max: column("max") },
        series: pointSeries,
        axis: () =>
          underAxis("µs, logarithmic", {
            type: "log",
            axisLabel: { ...labelStyle(), formatter: (v) => (v < 1 ? v : whole(v)) },
          }),
        text,
        reading: (rows) => {
          const best = lowest(rows, column("p99"));
          const slowest = highest(rows, column("max"));
          return (
            best && slowest && `Lowest p99: ${words(best, "p99")}. Longest single wait: ${words(slowest, "max")}.`
          );
        },
      }),
  };
}

function cpuPlan(cases) {
  const column = (end) => (c) => c[end]?.cpu_s_per_gib ?? null;
  const both = (c) =>
    given(column("sender")(c), (sender) => given(column("receiver")(c), (receiver) => sender + receiver));
  const words = (c) => `${c.protocol}, ${withUnit(twoDecimals(both(c)), "s/GiB")}`;
  return {
    id: "cpu",
    heading: "CPU time per GiB of body",
    term: "cpu",
    cases: cases.filter((c) => column("sender")(c) != null || column("receiver")(c) != null),
    isByProtocol: true,
    height: rowsHeight(cases),
    dimensions: BY_PROTOCOL,
    view: (shown) =>
      byProtocolView(shown, {
        columns: { sender: column("sender"), receiver: column("receiver") },
        series: (name, values) =>
          barSeries(name, values, { position: "right", formatter: ({ value }) => `${name} ${twoDecimals(value)}` }),
        hasBars: true,
        axis: () => underAxis("s/GiB", { boundaryGap: [0, "18%"] }),
        text: (v) => withUnit(twoDecimals(v), "s/GiB"),
        reading: (rows) => extremesText(rows, both, ["Most of both ends together", "Least"], words),
      }),
  };
}
