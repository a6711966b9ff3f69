// The charts of memory: peak RSS over chunk or body size, and RSS with goodput over time.

/** The value of a case on each line, by the name of the line. */
const MEMORY_LINES = Object.fromEntries(
  [
    ["", "peak_rss_bytes"],
    [" allowance", "allowed_rss_bytes"],
    [" ceiling", "ceiling_rss_bytes"],
  ].flatMap(([suffix, field]) => ENDS.map((end) => [`${end}${suffix}`, (c) => c[end]?.[field] ?? null])),
);

function memoryView(cases, dimension, axisName, reading) {
  const points = [...cases].sort((a, b) => dimension.of(a) - dimension.of(b));
  const sizes = points.map(dimension.of);
  const labels = sizes.map(sizeText);
  const names = Object.keys(MEMORY_LINES).filter((name) => points.some((c) => MEMORY_LINES[name](c) != null));
  const textOf = (c, name) => given(MEMORY_LINES[name](c), mibText) ?? NONE;
  const tip = (params) => {
    const at = params[0].dataIndex;
    return tipTable(
      `${labels[at]} ${axisName.split(" ")[0]}`,
      names.map((name) => [name, textOf(points[at], name)]),
    );
  };
  return {
    reading: reading(points),
    keys: names,
    option: (chartWidth) =>
      chartOption(tip, {
        xAxis: sizeAxis(axisName, sizes, chartWidth),
        yAxis: amountAxis("MiB"),
        series: names.map((name) =>
          lineSeries(
            name,
            points.map((c, at) => [sizes[at], toMib(MEMORY_LINES[name](c))]),
          ),
        ),
      }),
    numbers: [
      [upperFirst(axisName), ...names],
      points.map((c, at) => [labels[at], ...names.map((name) => textOf(c, name))]),
    ],
  };
}

/** The ends of all cases, for the sentences that compare them. */
const endsOf = (points) => points.flatMap((c) => ENDS.filter((end) => c[end]).map((end) => ({ ...c[end], c, end })));

function roomText(ends, sizeOf) {
  const tightest = lowest(ends, ({ room_bytes: room }) => room);
  if (!tightest) return "No allowance was set.";
  const room = tightest.room_bytes;
  const where = `${tightest.end}, at ${sizeText(sizeOf(tightest.c))}`;
  return room < 0
    ? `Over its allowance by ${mibText(-room)} (${where}).`
    : `Least room to its allowance: ${mibText(room)} (${where}).`;
}

function memoryPlan(cases, name, axisName, others) {
  const dimension = DIMENSIONS[name];
  const measured = cases.filter((c) => ENDS.some((end) => c[end]?.peak_rss_bytes != null));
  return {
    id: `rss-by-${name}`,
    heading: `Peak RSS by ${axisName}`,
    term: "rss",
    cases: inLinesOver(measured, name),
    dimensions: { ...others, protocol: leastRoomFirst("protocol"), direction: leastRoomFirst("direction") },
    view: (shown, choices) =>
      memoryView(shown, dimension, axisName, (points) => {
        const ends = endsOf(points);
        const top = highest(ends, (end) => end.peak_rss_spread?.most);
        return `${choices.protocol.text} ${choices.direction.text}: at most ${mibText(top.peak_rss_spread.most)} (${top.end}, at ${sizeText(dimension.of(top.c))}). ${roomText(ends, dimension.of)}`;
      }),
  };
}

const rssByChunkPlan = (cases) =>
  memoryPlan(cases, "chunk", "chunk size", { setup: DIMENSIONS.setup, body: DIMENSIONS.body });
const rssByBodyPlan = (cases) =>
  memoryPlan(cases, "body", "body size", { setup: DIMENSIONS.setup, chunk: DIMENSIONS.chunk });

/** The lines of one run over time: [seconds, amount in the axis's unit]. */
function timelineLines(c) {
  const lines = [];
  const add = (name, panel, unit, data) => data.length > 0 && lines.push({ name, panel, unit, data });
  const column = (timeline, at) =>
    timeline.filter((sample) => sample[at] != null).map((sample) => [sample[0], toMib(sample[at])]);
  for (const end of ENDS) {
    const timeline = c[end]?.timeline ?? [];
    add(`${end} RSS`, 0, "MiB", column(timeline, 1));
    add(`${end} anonymous RSS`, 0, "MiB", column(timeline, 2));
    add(
      `${end} goodput`,
      1,
      "MiB/s",
      ratesOf(timeline).map(([time, rate]) => [time, toMib(rate)]),
    );
  }
  return lines;
}

/** Two panels over the same seconds: memory above, goodput below. */
function timelineOption(lines) {
  const last = Math.max(...lines.flatMap(({ data }) => data.map(([time]) => time)));
  const seconds = (panel, extra) => ({
    ...underAxis(null, { min: 0, max: last, ...extra }),
    gridIndex: panel,
    splitLine: { show: false },
    axisLine: { show: true, lineStyle: { color: palette().axis } },
  });
  const formatter = (time) => (time === last ? "" : String(Number(time.toPrecision(3))));
  const text = (value, unit) => withUnit(unit === "MiB" ? oneDecimal(value) : whole(value), unit);
  const tip = (params) =>
    tipTable(
      withUnit(twoDecimals(params[0].value[0]), "s"),
      params.map(({ seriesName, value }) => [
        seriesName,
        text(value[1], lines.find(({ name }) => name === seriesName).unit),
      ]),
    );
  return chartOption(tip, {
    grid: [
      { left: 60, right: 16, top: 32, height: "42%", outerBoundsMode: "none" },
      { left: 60, right: 16, bottom: 48, height: "26%", outerBoundsMode: "none" },
    ],
    axisPointer: { link: [{ xAxisIndex: "all" }] },
    xAxis: [
      seconds(0, { axisLabel: { show: false } }),
      seconds(1, { name: "seconds", axisLabel: { ...labelStyle(), hideOverlap: true, formatter } }),
    ],
    yAxis: [amountAxis("RSS, MiB", { gridIndex: 0 }), amountAxis("goodput, MiB/s", { gridIndex: 1, splitNumber: 3 })],
    series: lines.map(({ name, panel, data }) =>
      lineSeries(name, data, {
        xAxisIndex: panel,
        yAxisIndex: panel,
        showSymbol: false,
        step: panel === 1 ? "start" : false,
      }),
    ),
  });
}

function timelineReading(c, lines) {
  const tops = lines
    .filter(({ name }) => name.endsWith(" RSS") && !name.includes("anonymous"))
    .map(({ name, data }) => {
      const values = data.map(([, amount]) => amount);
      return `${name} from ${oneDecimal(values[0])} to at most ${oneDecimal(Math.max(...values))} MiB`;
    });
  return `${c.name}: ${tops.join(", ")}.`;
}

function timelinePlan(cases) {
  const hasSamples = (c) => ENDS.some((end) => c[end]?.timeline?.length > 1);
  return {
    id: "timeline",
    heading: "Memory and goodput over time",
    term: "timeline",
    height: 460,
    isWide: true,
    cases: cases.filter(hasSamples),
    dimensions: { ...BY_PROTOCOL, protocol: leastRoomFirst("protocol") },
    view: ([c]) => {
      const lines = timelineLines(c);
      const row =
        (end) =>
        ([time, rss, anonymous, bytes]) => [
          end,
          ...[numberFormat(3)(time), ...[rss, anonymous, bytes].map((n) => oneDecimal(toMib(n)))],
        ];
      return {
        reading: timelineReading(c, lines),
        keys: lines.map(({ name }) => name),
        option: () => timelineOption(lines),
        numbers: [
          ["End", "seconds", "RSS, MiB", "anonymous RSS, MiB", "body so far, MiB"],
          ENDS.flatMap((end) => (c[end]?.timeline ?? []).map(row(end))),
        ],
      };
    },
  };
}
