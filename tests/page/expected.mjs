// Figures and series that a page must show, derived from the cases in its data.

const ENDS = ["sender", "receiver"];
const AXES = {
  setup: (c) => JSON.stringify([c.setup, c.sink, c.connections, c.streams]),
  body: (c) => c.body_bytes,
  chunk: (c) => c.chunk_bytes,
  direction: (c) => c.direction,
  protocol: (c) => c.protocol,
};

const distinct = (values) => [...new Set(values)];
const goodput = (c) => c.goodput_bytes_per_s?.median;
const share = (c) => c.of_baseline?.median;
const rates = (c) => c.receiver?.throughput;
const latency = (c) => c.sender?.pull_wait;
const directed = (direction, value) => (c) => c.direction === direction && value(c) != null;
const someEnd = (value) => (c) => ENDS.some((end) => c[end] && value(c[end]) != null);

/** Numbers of points by name; names without points are left out. */
function counts(entries) {
  return Object.fromEntries(
    entries.map(([name, values]) => [name, values.filter((v) => v != null).length]).filter(([, n]) => n > 0),
  );
}

const byProtocol = (value) => (cases) =>
  counts(distinct(cases.map(AXES.protocol)).map((name) => [name, cases.filter((c) => c.protocol === name).map(value)]));

const byColumn = (columns) => (cases) =>
  counts(Object.entries(columns).map(([name, value]) => [name, cases.map(value)]));

const MEMORY = ENDS.flatMap((end) => [
  [end, (c) => c[end]?.peak_rss_bytes],
  [`${end} allowance`, (c) => c[end]?.allowed_rss_bytes],
  [`${end} ceiling`, (c) => c[end]?.ceiling_rss_bytes],
]);

/** One panel per protocol. A single allowance or ceiling is drawn as a short line, with two points. */
const memory = (cases) =>
  counts(
    distinct(cases.map(AXES.protocol)).flatMap((protocol) =>
      MEMORY.map(([name, value]) => {
        const values = cases.filter((c) => c.protocol === protocol).map(value);
        const isDoubled = name.includes(" ") && values.length === 1;
        return [`${protocol} ${name}`, isDoubled ? [...values, ...values] : values];
      }),
    ),
  );

function timeline([c]) {
  return counts(
    ENDS.flatMap((end) => {
      const samples = c[end]?.timeline ?? [];
      const steps = samples
        .slice(1)
        .map(([t, , , bytes], i) => (t > samples[i][0] && bytes != null && samples[i][3] != null ? 1 : null));
      return [
        [`${end} RSS`, samples.map((s) => s[1])],
        [`${end} anonymous RSS`, samples.map((s) => s[2])],
        // The first rate stands at both ends of its interval.
        [`${end} goodput`, [...steps, steps.find((step) => step != null)]],
      ];
    }),
  );
}

/** Cases that differ from another case in this axis alone. */
function comparable(cases, axis) {
  const others = Object.keys(AXES).filter((name) => name !== axis);
  const alike = (a, b) => a !== b && others.every((name) => AXES[name](a) === AXES[name](b));
  return cases.filter((c) => cases.some((other) => alike(c, other)));
}

const filtered = (is) => (cases) => cases.filter(is);
const peaks = someEnd((end) => end.peak_rss_bytes);

/** The cases with a known peak: those with HTTP, or all if none has it. */
function withPeaks(cases) {
  const measured = cases.filter(peaks);
  const http = measured.filter((c) => c.isHttp);
  return http.length > 0 ? http : measured;
}

function byChunk(cases) {
  const measured = withPeaks(cases);
  const lines = comparable(measured, "chunk");
  return lines.length > 0 || comparable(measured, "body").length > 0 ? lines : measured;
}

const FIGURES = {
  "goodput-up": { of: filtered(directed("up", goodput)), least: 2, series: byProtocol(goodput) },
  "goodput-down": { of: filtered(directed("down", goodput)), least: 2, series: byProtocol(goodput) },
  "tax-up": { of: filtered(directed("up", share)), least: 2, series: byProtocol(share) },
  "tax-down": { of: filtered(directed("down", share)), least: 2, series: byProtocol(share) },
  "rss-by-chunk": { of: byChunk, series: memory },
  "rss-by-body": { of: (cases) => comparable(withPeaks(cases), "body"), series: memory },
  cpu: {
    of: filtered(someEnd((end) => end.cpu_s_per_gib)),
    series: byColumn(Object.fromEntries(ENDS.map((end) => [end, (c) => c[end]?.cpu_s_per_gib]))),
  },
  throughput: {
    of: filtered(rates),
    series: byColumn(
      Object.fromEntries(["p1", "p5", "p50", "p95", "max"].map((name) => [name, (c) => rates(c)?.[name]])),
    ),
  },
  latency: {
    of: filtered(latency),
    series: byColumn(
      Object.fromEntries(
        ["p50", "p99", "p99.9", "max"].map((name) => [name, (c) => latency(c)?.[name.replace(".", "")] || null]),
      ),
    ),
  },
  timeline: { of: filtered(someEnd((end) => (end.timeline?.length > 1 ? true : null))), series: timeline },
};

/** The cases that charts show: neither controls nor those with a program of someone else. */
function shownCases(data) {
  const http = new Set(data.protocols.filter((protocol) => protocol.http != null).map(({ name }) => name));
  const shown = data.cases.filter((c) => c.peer === null && !c.is_control);
  return shown.map((c) => ({ ...c, isHttp: http.has(c.protocol) }));
}

/** The figures that the page must show, no more and no fewer. */
export function expectedFigures(data) {
  const cases = shownCases(data);
  const figures = Object.keys(FIGURES).filter((name) => FIGURES[name].of(cases).length >= (FIGURES[name].least ?? 1));
  return data.proof?.ends.length > 0 ? ["proof", ...figures] : figures;
}

/** Numbers of points by series, once `chosen` (axis name: value as text) is chosen in the figure. */
export function expectedSeries(data, figure, chosen) {
  if (figure === "proof")
    return counts(data.proof.ends.map(({ series, end, slope }) => [`${series} ${end}`, [slope?.[0]]]));
  const { of, series } = FIGURES[figure];
  const cases = of(shownCases(data)).filter((c) =>
    Object.entries(chosen).every(([name, value]) => String(AXES[name](c)) === value),
  );
  return cases.length > 0 ? series(cases) : {};
}

/** The choices (axis name: value as text) that show cases of a protocol in a figure. */
export function choicesOf(data, figure, protocol) {
  const cases = FIGURES[figure].of(shownCases(data)).filter((c) => c.protocol === protocol);
  return cases.map((c) => Object.fromEntries(Object.entries(AXES).map(([name, of]) => [name, String(of(c))])));
}

/** The names of the cases that have a goodput, from the highest to the lowest. */
export function expectedOrder(data) {
  return data.cases
    .filter((c) => goodput(c) != null)
    .sort((a, b) => goodput(b) - goodput(a))
    .map((c) => c.name);
}

/** The body size of the initial choice: the largest of the most frequent setup, with the fewest labels and axes. */
export function expectedBody(data, figure) {
  const cases = FIGURES[figure].of(shownCases(data));
  const frequency = (c) => cases.filter((other) => AXES.setup(other) === AXES.setup(c)).length;
  const most = Math.max(...cases.map(frequency));
  const further = (c) => c.setup.split(/[+ ]/).filter(Boolean).length;
  const usual = cases.filter((c) => frequency(c) === most);
  const fewest = Math.min(...usual.map(further));
  const first = AXES.setup(usual.find((c) => further(c) === fewest));
  return String(Math.max(...cases.filter((c) => AXES.setup(c) === first).map(AXES.body)));
}
