// The charts with one row per protocol: percentiles of throughput, waits of the sender, and processor time.

const BY_PROTOCOL = {
  setup: DIMENSIONS.setup,
  body: DIMENSIONS.body,
  direction: DIMENSIONS.direction,
  chunk: DIMENSIONS.chunk,
};

/** The height of a chart with one row per protocol, in pixels. A chart of more than eight rows is taller. */
const rowsHeight = (cases) => Math.max(320, 60 + 32 * distinct(cases.map((c) => c.protocol)).length);

/** A view with one row per protocol. `columns` maps the name of a series to a case's value, in the axis's unit. */
function byProtocolView(cases, { columns, series, beside = () => [], hasBars = false, axis, unit, text, reading }) {
  const rows = PROTOCOLS.flatMap((protocol) => cases.find(isOf(protocol)) ?? []);
  const names = Object.keys(columns).filter((name) => rows.some((c) => columns[name](c) != null));
  const textOf = (c, name) => given(columns[name](c), text) ?? NONE;
  const tip = (params) => {
    const c = rows[params[0].dataIndex];
    return tipTable(
      c.protocol,
      names.map((name) => [name, textOf(c, name)]),
      { hasBars, heads: [unit] },
    );
  };
  return {
    reading: rows.length > 0 ? (reading(rows) ?? "") : NOTHING_SHOWN,
    keys: names,
    hasBars,
    option: () =>
      chartOption(tip, {
        xAxis: axis(),
        yAxis: rowAxis(rows.map((c) => c.protocol)),
        series: [
          ...names.map((name) =>
            series(
              name,
              rows.map((c) => columns[name](c)),
            ),
          ),
          ...names.flatMap((name) => beside(name, rows)),
        ],
      }),
    numbers: [
      ["Protocol", ...names.map((name) => `${name}, ${unit}`)],
      rows.map((c) => [c.protocol, ...names.map((name) => textOf(c, name))]),
    ],
  };
}

const underAxis = (name, extra = {}) =>
  amountAxis(name, { nameLocation: "middle", nameGap: 28, nameTextStyle: labelStyle(), splitNumber: 4, ...extra });

/** The percentiles of each round as dots beside those of all rounds together. `roundsOf` lists the rounds of a case. */
const percentileRounds = (names, roundsOf, toUnit) => (name, rows) =>
  roundSeries(
    name,
    rows.flatMap((c, at) =>
      (roundsOf(c) ?? []).map((round) => [toUnit(round[names.indexOf(name)]), at]).filter(([value]) => value > 0),
    ),
  );

function throughputPlan(cases) {
  const names = ["p1", "p5", "p50", "p95", "max"];
  const rates = (c) => c.receiver?.throughput;
  const column = (key) => (c) => toMib(rates(c)?.[key]);
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
        columns: Object.fromEntries(names.map((name) => [name, column(name)])),
        series: pointSeries,
        beside: percentileRounds(names, (c) => c.receiver?.throughput_rounds, toMib),
        axis: () => underAxis("MiB/s"),
        unit: "MiB/s",
        text: threeDigits,
        reading: (rows) => [steadyText(rows), silenceText(rows)].filter((sentence) => sentence).join(" "),
      }),
  };
}

/** The rate of the slowest 1 % of the time, as a share of the median, in words. */
function steadyText(rows) {
  const shares = rows
    .filter(isHttp)
    .map((c) => c.receiver?.throughput)
    .filter((rates) => rates?.p1 != null && rates.p50)
    .map(({ p1, p50 }) => `${whole((p1 / p50) * 100)}`);
  const [least, most] = [Math.min(...shares), Math.max(...shares)];
  return shares.length > 0 && `With HTTP, p1 is ${least === most ? least : `${least} to ${most}`} % of p50.`;
}

/** The longest time without bytes at the receiver of an HTTP row. */
function silenceText(rows) {
  const silence = (c) => c.receiver?.longest_silence_s;
  const longest = highest(rows.filter(isHttp), silence);
  const time = longest && withUnit(twoDecimals(silence(longest) * 1000), "ms");
  return longest && `With HTTP, no receiver waited longer than ${time} for bytes (${longest.protocol}).`;
}

/** The longest wait of the sender in any round, in nanoseconds. */
const longestWait = (c) => highest(c.sender?.pull_wait_rounds ?? [], (round) => round.at(-1))?.at(-1) ?? null;

function pullWaitPlan(cases) {
  const names = ["p50", "p99", "p99.9", "max"];
  const latency = (c) => c.sender?.pull_wait;
  // A logarithmic axis cannot show 0.
  const column = (key) => (c) => toMicroseconds(latency(c)?.[key]) || null;
  const text = (v) => (v < 10 ? twoDecimals(v) : whole(v));
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
        columns: Object.fromEntries(names.map((name) => [name, column(name.replace(".", ""))])),
        series: pointSeries,
        beside: percentileRounds(names, (c) => c.sender?.pull_wait_rounds, toMicroseconds),
        axis: () =>
          underAxis("µs, logarithmic", {
            type: "log",
            axisLabel: { ...labelStyle(), formatter: (v) => (v < 1 ? v : whole(v)) },
          }),
        unit: "µs",
        text,
        reading: (rows) => {
          const slowest = highest(rows.filter(isHttp), longestWait);
          const wait = slowest && withUnit(text(toMicroseconds(longestWait(slowest))), "µs");
          return slowest && `With HTTP, no single wait was longer than ${wait} (${slowest.protocol}).`;
        },
      }),
  };
}

/** Processor time of both ends together, with the range over rounds as its interval; null under six rounds. */
function cpuSpread(c) {
  const [sender, receiver] = ENDS.map((end) => c[end]?.cpu_rounds ?? []);
  if (sender.length < 6 || sender.length !== receiver.length) return null;
  const sums = sender.map((seconds, at) => seconds + receiver[at]).sort(ascending);
  return { median: medianOf(sums), low: sums[0], high: sums.at(-1) };
}

/** The rounds of an end as dots on its bars. The sender's bar is in the upper half of a row, the receiver's below. */
const cpuRounds = (name, rows) =>
  roundSeries(
    name,
    rows.flatMap((c, at) => (c[name]?.cpu_rounds ?? []).map((seconds) => [seconds, at])),
    {
      symbolOffset: [0, name === "sender" ? -7 : 7],
      itemStyle: { color: palette().text, opacity: 0.55 },
      z: 3,
    },
  );

function cpuPlan(cases) {
  const column = (end) => (c) => c[end]?.cpu_s_per_gib ?? null;
  const words = (c) => `${c.protocol}, ${withUnit(twoDecimals(cpuSpread(c).median), "s/GiB")}`;
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
        series: (name, values) => ({ ...barSeries(name, values), barWidth: 11, label: { show: false } }),
        beside: cpuRounds,
        hasBars: true,
        axis: () => underAxis("s/GiB"),
        unit: "s/GiB",
        text: twoDecimals,
        reading: (rows) => standoutText(rows, cpuSpread, ["Most of both ends together", "Least"], words, twoDecimals),
      }),
  };
}
