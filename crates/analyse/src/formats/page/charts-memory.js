// The charts of memory: peak RSS over chunk or body size, and RSS with goodput over time.

/** The value of a case on each line, by the name of the line. */
const MEMORY_LINES = Object.fromEntries(
  [
    ["", "peak_rss_bytes"],
    [" allowance", "allowed_rss_bytes"],
    [" ceiling", "ceiling_rss_bytes"],
  ].flatMap(([suffix, field]) => ENDS.map((end) => [`${end}${suffix}`, (c) => c[end]?.[field] ?? null])),
);

const PANEL = { width: 190, height: 220, top: 30, bottom: 46, gap: 20, left: 44 };

/** Panels side by side, one per protocol, over the same sizes and with the same scale: peaks against their allowance. */
function memoryView(cases, dimension, axisName, reading) {
  const points = [...cases].sort((a, b) => dimension.of(a) - dimension.of(b));
  const sizes = distinct(points.map(dimension.of));
  const protocols = PROTOCOLS.filter((protocol) => points.some(isOf(protocol)));
  const names = Object.keys(MEMORY_LINES).filter((name) => points.some((c) => MEMORY_LINES[name](c) != null));
  const textOf = (c, name) => given(MEMORY_LINES[name](c), (bytes) => oneDecimal(toMib(bytes))) ?? NONE;
  const columnsIn = (width) => {
    const room = width - PANEL.left - roomBeside(names, width);
    return Math.min(protocols.length, Math.max(1, Math.floor(room / PANEL.width)));
  };
  const heightIn = (width) => PANEL.height * Math.ceil(protocols.length / columnsIn(width));
  const tip = ([{ seriesName, dataIndex }]) => {
    const protocol = protocols.find((name) => seriesName.startsWith(`${name} `));
    const c = points.filter(isOf(protocol))[dataIndex];
    return tipTable(
      `${protocol}, ${sizeText(dimension.of(c))}`,
      names.map((name) => [name, textOf(c, name)]),
      { heads: ["MiB"] },
    );
  };
  return {
    reading: points.length > 0 ? reading(points) : NOTHING_SHOWN,
    keys: names,
    height: heightIn,
    ends: (width) => {
      if (roomBeside(names, width) === 0) return [];
      const columns = columnsIn(width);
      const edge = panelAxis("", sizes, panelWidth(columns, roomBeside(names, width), width)).max;
      const lasts = protocols.map((_, at) => at).filter((at) => (at + 1) % columns === 0 || at === protocols.length - 1);
      return lasts.flatMap((panel) => {
        const own = points.filter(isOf(protocols[panel]));
        return names.flatMap((name) => {
          const c = own.findLast((c) => MEMORY_LINES[name](c) != null);
          return c ? [{ name, text: name, at: [edge, toMib(MEMORY_LINES[name](c))], panel }] : [];
        });
      });
    },
    option: (chartWidth) =>
      panelsOption(tip, { points, sizes, protocols, names, dimension, axisName }, columnsIn(chartWidth), chartWidth),
    numbers: [
      ["Protocol", axisName, ...names.map((name) => `${name}, MiB`)],
      protocols.flatMap((protocol) =>
        points
          .filter(isOf(protocol))
          .map((c) => [protocol, sizeText(dimension.of(c)), ...names.map((name) => textOf(c, name))]),
      ),
    ],
  };
}

/** The width of a panel, of `columns` beside each other, with `room` for names on their right. */
const panelWidth = (columns, room, chartWidth) => (chartWidth - PANEL.left - 8 - room) / columns - PANEL.gap;

/** The axis of sizes of a panel. */
const panelAxis = (name, sizes, width) => sizeAxis(name, sizes, width + 150 - 44, 22);

function panelsOption(tip, { points, sizes, protocols, names, dimension, axisName }, columns, chartWidth) {
  const width = panelWidth(columns, roomBeside(names, chartWidth), chartWidth);
  const amounts = points.flatMap((c) => names.map((name) => toMib(MEMORY_LINES[name](c))).filter((v) => v != null));
  const most = points.flatMap((c) => ENDS.map((end) => toMib(c[end]?.peak_rss_spread?.most))).filter((v) => v != null);
  const grid = protocols.map((_, at) => ({
    left: PANEL.left + (at % columns) * (width + PANEL.gap),
    top: PANEL.height * Math.floor(at / columns) + PANEL.top,
    width,
    height: PANEL.height - PANEL.top - PANEL.bottom,
    outerBoundsMode: "none",
  }));
  const title = { color: palette().text, fontSize: 13, fontWeight: 600, align: "left", padding: [0, 0, 0, -4] };
  const yAxis = protocols.map((protocol, at) => ({
    ...amountAxis(at === 0 ? `${protocol}, MiB` : protocol, { nameTextStyle: title, nameGap: 10, splitNumber: 4 }),
    gridIndex: at,
    min: 0,
    max: niceMaximum(Math.max(0, ...amounts, ...most)),
    axisLabel: { ...labelStyle(), show: at % columns === 0 },
  }));
  const xAxis = protocols.map((_, at) => ({
    ...panelAxis(at >= protocols.length - columns ? axisName : "", sizes, width),
    nameGap: 24,
    gridIndex: at,
  }));
  const series = protocols.flatMap((protocol, at) => {
    const own = points.filter(isOf(protocol));
    const axes = { xAxisIndex: at, yAxisIndex: at };
    const lines = names.map((name) => ({
      ...lineSeries(
        name,
        spreadOut(own.map((c) => [dimension.of(c), toMib(MEMORY_LINES[name](c))]), styleOf(name).symbol === "none"),
        axes,
      ),
      name: `${protocol} ${name}`,
    }));
    const ranges = ENDS.map((end) => ({
      ...rangeSeries(
        `${protocol} ${end}`,
        own.map((c) =>
          given(rangeOf(c[end]?.peak_rss_spread), (range) => range.map((bytes) => [dimension.of(c), toMib(bytes)])),
        ),
        colourOf(end),
      ),
      ...axes,
    }));
    return [...lines, ...ranges];
  });
  return chartOption(tip, { grid, xAxis, yAxis, series });
}

/** The points of a line. A single point without a symbol would be invisible, so it becomes a short line. */
const spreadOut = (points, isBare) =>
  isBare && points.length === 1 && points[0][1] != null
    ? points.flatMap(([x, y]) => [
        [x / 1.2, y],
        [x * 1.2, y],
      ])
    : points;

/** The least round number that is not under `most`. */
function niceMaximum(most) {
  const power = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((round) => round >= most);
}

/** The ends of all cases, for the sentences that compare them. */
const endsOf = (points) => points.flatMap((c) => ENDS.filter((end) => c[end]).map((end) => ({ ...c[end], c, end })));

function roomText(ends, sizeOf) {
  const tightest = lowest(ends, ({ room_bytes: room }) => room);
  if (!tightest) return "No allowance was set.";
  const room = tightest.room_bytes;
  const where = `${tightest.c.protocol} ${tightest.end}, at ${sizeText(sizeOf(tightest.c))}`;
  return room < 0
    ? `Over its allowance by ${mibText(-room)} (${where}).`
    : `Room to the allowance: at least ${mibText(room)} (${where}).`;
}

function memoryPlan(cases, name, axisName, others) {
  const dimension = DIMENSIONS[name];
  return {
    id: `rss-by-${name}`,
    heading: `Peak RSS by ${axisName}, against the allowance`,
    term: "rss",
    isWide: true,
    isByProtocol: true,
    cases,
    dimensions: { ...others, direction: leastRoomFirst("direction") },
    view: (shown) =>
      memoryView(shown, dimension, axisName, (points) => {
        const ends = endsOf(points);
        const top = highest(ends, (end) => end.peak_rss_spread?.most);
        const where = `${top.c.protocol} ${top.end}, at ${sizeText(dimension.of(top.c))}`;
        return `At most ${mibText(top.peak_rss_spread.most)} (${where}). ${roomText(ends, dimension.of)}`;
      }),
  };
}

/** The HTTP cases with a known peak, or all cases with a known peak if none is HTTP. */
function withPeaks(cases) {
  const measured = cases.filter((c) => ENDS.some((end) => c[end]?.peak_rss_bytes != null));
  return measured.some(isHttp) ? measured.filter(isHttp) : measured;
}

/** The chart of memory by body size. An empty body has no place on its logarithmic axis. */
function rssByBodyPlan(cases) {
  const measured = withPeaks(cases.filter((c) => c.body_bytes > 0));
  return memoryPlan(inLinesOver(measured, "body"), "body", "body size", {
    setup: DIMENSIONS.setup,
    chunk: DIMENSIONS.chunk,
  });
}

/** The chart of memory by chunk size. It also shows cases in which neither chunk size nor body size varies. */
function rssByChunkPlan(cases) {
  const measured = withPeaks(cases);
  const lines = inLinesOver(measured, "chunk");
  const shown = lines.length > 0 || inLinesOver(measured, "body").length > 0 ? lines : measured;
  return memoryPlan(shown, "chunk", "chunk size", { setup: DIMENSIONS.setup, body: DIMENSIONS.body });
}

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
function timelineOption(lines, chartWidth) {
  const room = roomBeside(
    lines.map(({ name }) => name),
    chartWidth,
  );
  const right = Math.max(16, room);
  const last = Math.max(...lines.flatMap(({ data }) => data.map(([time]) => time)));
  const seconds = (panel, extra) => ({
    ...underAxis(null, { min: 0, max: last, ...extra }),
    gridIndex: panel,
    splitLine: { show: false },
    axisLine: { show: true, lineStyle: { color: palette().axis } },
  });
  const formatter = (time) => (time === last ? "" : String(Number(time.toPrecision(3))));
  const text = (value, unit) => withUnit(unit === "MiB" ? oneDecimal(value) : threeDigits(value), unit);
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
      { left: 60, right, top: 32, height: "42%", outerBoundsMode: "none" },
      { left: 60, right, bottom: 48, height: "26%", outerBoundsMode: "none" },
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
        // A line of one point has no length.
        showSymbol: data.length === 1,
        symbol: data.length === 1 ? "circle" : "none",
        step: panel === 1 ? "start" : false,
      }),
    ),
  });
}

/** The names of the lines at their ends; none in a narrow chart. */
function timelineEnds(lines, chartWidth) {
  const names = lines.map(({ name }) => name);
  if (roomBeside(names, chartWidth) === 0) return [];
  const last = Math.max(...lines.map(({ data }) => data.at(-1)[0]));
  return lines.map(({ name, panel, data }) => ({ name, text: name, at: [last, data.at(-1)[1]], panel }));
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
        keys: ["RSS", "Goodput"].map((label, at) => ({
          label,
          names: lines.filter(({ panel }) => panel === at).map(({ name }) => name),
        })),
        option: (chartWidth) => timelineOption(lines, chartWidth),
        ends: (chartWidth) => timelineEnds(lines, chartWidth),
        numbers: [
          ["End", "seconds", "RSS, MiB", "anonymous RSS, MiB", "body so far, MiB"],
          ENDS.flatMap((end) => (c[end]?.timeline ?? []).map(row(end))),
        ],
      };
    },
  };
}
