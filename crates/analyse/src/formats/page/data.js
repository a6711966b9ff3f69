// The data of the page, with its order, groups and texts. Nothing here uses the document but for the embedded JSON.

const data = JSON.parse(document.getElementById("data").textContent);

/** Names of the protocols, in display order. */
const PROTOCOLS = data.protocols.map(({ name }) => name);
const ENDS = ["sender", "receiver"];
const DIRECTIONS = { up: "upload", down: "download" };
const KIB = 2 ** 10;
const MIB = 2 ** 20;
const GIB = 2 ** 30;
const NONE = "–";

/** Verdicts on a case, by their kind. */
const VERDICTS = {
  ok: { symbol: "✓", isGood: true, meaning: "every run ended well" },
  control: { symbol: "○", isGood: true, meaning: "a case of longhaul prove that grows on purpose" },
  failed: { symbol: "✗", meaning: "a run ended with an error" },
  over_budget: { symbol: "▲", meaning: "an end took more memory than its allowance" },
  over_ceiling: { symbol: "▲", meaning: "an end took more memory than a file of ceilings allows" },
  beats_ceiling: { symbol: "?", meaning: "the goodput is over the ceiling, which is therefore too low" },
  wrong_bytes: { symbol: "≠", meaning: "the body that arrived was not the one sent" },
};

function numberFormat(decimals) {
  // As Rust rounds, which writes the other tables.
  const roundingMode = "halfEven";
  const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  const format = new Intl.NumberFormat("en", { ...digits, roundingMode });
  return (value) => (value == null ? NONE : format.format(value));
}

const whole = numberFormat(0);
const oneDecimal = numberFormat(1);
const twoDecimals = numberFormat(2);
const threeDecimals = numberFormat(3);

/** A figure with three significant digits, or a whole number from 100 on. A slow rate is not shown as 0. */
function threeDigits(value) {
  const size = Math.abs(value ?? 0);
  if (size === 0 || size >= 99.95) return whole(value);
  return (size >= 9.995 ? oneDecimal : size >= 0.9995 ? twoDecimals : threeDecimals)(value);
}

/** Applies a function to a value; null remains null. */
const given = (value, apply) => (value == null ? null : apply(value));
const toMib = (bytes) => given(bytes, (n) => n / MIB);
const toGbit = (rate) => given(rate, (n) => (n * 8) / 1e9);
const toMicroseconds = (nanoseconds) => given(nanoseconds, (n) => n / 1e3);

/** An amount and its unit without a line break between them. */
const withUnit = (amount, unit) => `${amount}\u00a0${unit}`;
const rateText = (rate) => withUnit(threeDigits(toMib(rate)), "MiB/s");
const mibText = (bytes) => withUnit(oneDecimal(toMib(bytes)), "MiB");

/** An amount of bytes in the largest unit that divides it. */
function sizeText(bytes) {
  if (bytes == null) return NONE;
  const [unit, name] = [
    [GIB, "GiB"],
    [MIB, "MiB"],
    [KIB, "KiB"],
  ].find(([u]) => bytes >= u && bytes % u === 0) ?? [1, "B"];
  return withUnit(whole(bytes / unit), name);
}

function countText(count, singular, plural = `${singular}s`) {
  return `${whole(count)} ${count === 1 ? singular : plural}`;
}

const timeText = (iso) => `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;

const ascending = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** The median of ascending numbers: of an even count, the mean of the two in the middle. */
const medianOf = (sorted) => (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;

const distinct = (values) => [...new Set(values)];

/** A list in words: "a", "a and b", "a, b and c". */
const listText = (words) => [words.slice(0, -1).join(", "), words.at(-1)].filter(Boolean).join(" and ");
const upperFirst = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** The first item with the highest `value`; items without a value are left out. */
function highest(items, value) {
  let best;
  for (const item of items) {
    const v = value(item);
    if (v != null && (best === undefined || v > value(best))) best = item;
  }
  return best;
}

const lowest = (items, value) => highest(items, (item) => given(value(item), (v) => -v));

const HTTP = new Set(data.protocols.filter(({ http }) => http != null).map(({ name }) => name));
const isHttp = (c) => HTTP.has(c.protocol);

/**
 * A text about the HTTP cases whose interval lies above or below the intervals of all other HTTP cases. Without such
 * a case, the text gives the lowest and the highest median.
 */
function standoutText(cases, spreadOf, names, words, text) {
  const rivals = cases.filter((c) => isHttp(c) && spreadOf(c) != null);
  const medians = rivals.map((c) => spreadOf(c).median);
  if (rivals.length < 2) return rivals.length === 1 ? `${words(rivals[0])}.` : "";
  const isApart = (c, below, above) =>
    rivals.every((other) => other === c || (spreadOf(other)[above] != null && below(spreadOf(c), spreadOf(other))));
  const highest = rivals.find((c) => isApart(c, (one, other) => one.low > other.high, "high"));
  const lowest = rivals.find((c) => isApart(c, (one, other) => one.high != null && one.high < other.low, "low"));
  const sentences = [highest && `${names[0]}: ${words(highest)}.`, lowest && `${names[1]}: ${words(lowest)}.`];
  if (sentences.some(Boolean)) return sentences.filter(Boolean).join(" ");
  const [from, to] = [Math.min(...medians), Math.max(...medians)].map(text);
  return `With HTTP, medians are ${from} to ${to}; no case lies apart from all others.`;
}

/** The most frequent setup; among several, the one with the fewest labels and axes. */
function usualSetup(setups) {
  const counts = new Map();
  for (const setup of setups) counts.set(setup, (counts.get(setup) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const usual = [...counts].filter(([, count]) => count === most).map(([setup]) => setup);
  return lowest(usual, (setup) => JSON.parse(setup)[0].split(/[+ ]/).filter(Boolean).length);
}

/** The interval of a median in brackets, or the least and the greatest value if runs are few. */
const rangeText = ({ low, high, least, most }, text) =>
  low == null ? `${text(least)} to ${text(most)}` : `[${text(low)}, ${text(high)}]`;

/** The interval of a median, or the least and the greatest value if runs are few; null without two different values. */
function rangeOf(spread) {
  if (spread == null) return null;
  const [from, to] = spread.low == null ? [spread.least, spread.most] : [spread.low, spread.high];
  return from == null || from === to ? null : [from, to];
}

for (const end of data.cases.flatMap((c) => ENDS.map((name) => c[name]).filter(Boolean)))
  end.timeline = end.timeline.map(([seconds, ...amounts]) => [seconds, ...amounts.map((kib) => kib * KIB)]);

const goodput = (c) => c.goodput_bytes_per_s?.median ?? null;

/** The end of a case with the highest share of its budget in use. */
const mostUsedEnd = (c) => highest(ENDS, (end) => c[end]?.budget_use);

/** The fewest bytes between the peak of an end and its allowance; null without an allowance. */
function leastRoom(c) {
  const tightest = lowest(ENDS, (end) => c[end]?.room_bytes);
  return tightest ? c[tightest].room_bytes : null;
}

/** The setup of a case, which all cases of a chart share. Protocol, direction, chunk and body are not part of it. */
const setupOf = (c) => JSON.stringify([c.setup, c.sink, c.connections, c.streams]);

function setupText(setup, all) {
  const [axes, sink, connections, streams] = JSON.parse(setup);
  const isDefault = () => data.cases.every((c) => setupOf(c) !== setup || c.variant === "");
  const name = axes || (isDefault() ? "every axis at its default" : "limits of its own, all else at its default");
  const isAmbiguous = all.some((other) => other !== setup && JSON.parse(other)[0] === axes);
  if (!isAmbiguous) return name;
  return `${name} (sink ${sink}, ${countText(connections, "connection")}, ${countText(streams, "stream")})`;
}

/** Dimensions in which the cases of a figure can differ. `prefer` gives the initial choice. */
const DIMENSIONS = {
  setup: {
    label: "Setup",
    of: setupOf,
    text: setupText,
    order: () => 0,
    prefer: (_, cases) => usualSetup(cases.map(setupOf)),
  },
  body: {
    label: "Body size",
    of: (c) => c.body_bytes,
    text: sizeText,
    order: ascending,
    prefer: (values) => values.at(-1),
  },
  direction: {
    label: "Direction",
    of: (c) => c.direction,
    text: (value) => DIRECTIONS[value],
    order: (a, b) => ascending(b, a),
    prefer: (values) => values[0],
  },
  chunk: {
    label: "Chunk size",
    of: (c) => c.chunk_bytes,
    text: sizeText,
    order: ascending,
    prefer: (values) => (values.includes(64 * KIB) ? 64 * KIB : values[values.length >> 1]),
  },
  protocol: {
    label: "Protocol",
    of: (c) => c.protocol,
    text: (value) => value,
    order: (a, b) => PROTOCOLS.indexOf(a) - PROTOCOLS.indexOf(b),
    prefer: (values) => values[0],
  },
};

/** A dimension that initially shows the HTTP case with the least room to its allowance, or else the highest peak. */
function leastRoomFirst(name) {
  const { of } = DIMENSIONS[name];
  const tightest = (all) => {
    const cases = all.some(isHttp) ? all.filter(isHttp) : all;
    return lowest(cases, leastRoom) ?? highest(cases, (c) => c.receiver?.peak_rss_bytes) ?? cases[0];
  };
  return { ...DIMENSIONS[name], prefer: (_, cases) => of(tightest(cases)) };
}

/**
 * Keeps the cases that match the choices, one dimension after another: a choice in an earlier dimension limits the
 * values of a later one. A choice that is not among the values is replaced by the preferred one.
 */
function narrow(cases, dimensions, chosen) {
  const choices = {};
  let left = cases;
  for (const [name, dimension] of Object.entries(dimensions)) {
    const values = distinct(left.map(dimension.of)).sort(dimension.order);
    const value = values.includes(chosen[name]) ? chosen[name] : dimension.prefer(values, left);
    left = left.filter((c) => dimension.of(c) === value);
    choices[name] = { values, value, text: dimension.text(value, values) };
  }
  return { cases: left, choices };
}

/** The cases that differ from some other case in the dimension `name` alone: the points of lines over it. */
function inLinesOver(cases, name) {
  const others = Object.keys(DIMENSIONS).filter((other) => other !== name);
  const lineOf = (c) => JSON.stringify(others.map((other) => DIMENSIONS[other].of(c)));
  const lengths = new Map();
  for (const line of cases.map(lineOf)) lengths.set(line, (lengths.get(line) ?? 0) + 1);
  return cases.filter((c) => lengths.get(lineOf(c)) > 1);
}

/**
 * Body rates between consecutive samples of a timeline, as [seconds, bytes/s] at the end of each interval. The first
 * rate also stands at the start of its interval, because a line of steps draws a rate from the point before it.
 */
function ratesOf(timeline) {
  const rates = [];
  for (let i = 1; i < timeline.length; i++) {
    const [start, , , before] = timeline[i - 1];
    const [end, , , after] = timeline[i];
    if (!(end > start) || before == null || after == null) continue;
    const rate = (after - before) / (end - start);
    if (rates.length === 0) rates.push([start, rate]);
    rates.push([end, rate]);
  }
  return rates;
}
