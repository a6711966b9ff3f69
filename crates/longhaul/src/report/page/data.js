// What the records say, in the order, groups and words in which the page shows it. Nothing here touches the document.

const PROTOCOLS = ["tcp", "h1c", "h2c", "tls", "h1", "h2", "quic", "h3"];
const ENDS = ["sender", "receiver"];
const DIRECTIONS = { up: "upload", down: "download" };
const KIB = 2 ** 10;
const MIB = 2 ** 20;
const GIB = 2 ** 30;
const NONE = "–";

function numberFormat(decimals) {
  const format = new Intl.NumberFormat("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  return (value) => (value == null ? NONE : format.format(value));
}

const whole = numberFormat(0);
const oneDecimal = numberFormat(1);
const twoDecimals = numberFormat(2);

/** Applies to what is there, and leaves what is not. */
const given = (value, apply) => (value == null ? null : apply(value));
const toMib = (bytes) => given(bytes, (n) => n / MIB);
const toGbit = (rate) => given(rate, (n) => (n * 8) / 1e9);
const toMicroseconds = (nanoseconds) => given(nanoseconds, (n) => n / 1e3);

/** An amount and its unit, which stay on one line. */
const withUnit = (amount, unit) => `${amount}\u00a0${unit}`;
const rateText = (rate) => withUnit(whole(toMib(rate)), "MiB/s");
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
const distinct = (values) => [...new Set(values)];
const upperFirst = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** The item for which `value` is the highest, among those that have one. */
function highest(items, value) {
  let best;
  for (const item of items) {
    const v = value(item);
    if (v != null && (best === undefined || v > value(best))) best = item;
  }
  return best;
}

const lowest = (items, value) => highest(items, (item) => given(value(item), (v) => -v));

/** Which is the highest and which the lowest, in words; null where nothing has the value. */
function extremesText(items, value, [highestName, lowestName], words) {
  const [top, bottom] = [highest(items, value), lowest(items, value)];
  if (top === undefined) return null;
  const first = `${highestName}: ${words(top)}.`;
  return top === bottom ? first : `${first} ${lowestName}: ${words(bottom)}.`;
}

function mostFrequent(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return highest([...counts], ([, count]) => count)[0];
}

const goodput = (c) => c.goodput_bytes_per_s?.median ?? null;

/** What an end has left to its allowance; negative where it took more. */
function roomOf(end) {
  if (end?.allowed_rss_bytes == null || end.peak_rss_bytes == null) return null;
  return end.allowed_rss_bytes - end.peak_rss_bytes;
}

const leastRoom = (c) =>
  roomOf(
    lowest(
      ENDS.map((end) => c[end]),
      roomOf,
    ),
  );

/** Growth over budget of one end. */
function budgetUse(end) {
  if (end?.allowed_rss_bytes == null || end.baseline_rss_bytes == null || end.peak_rss_bytes == null) return null;
  const budget = end.allowed_rss_bytes - end.baseline_rss_bytes;
  return budget > 0 ? (end.peak_rss_bytes - end.baseline_rss_bytes) / budget : null;
}

const mostUsedEnd = (c) => highest(ENDS, (end) => budgetUse(c[end]));

/** Everything but protocol, direction, chunk and body: cases that differ in it are never put into one line. */
const setupOf = (c) => JSON.stringify([c.variant, c.sink, c.connections, c.streams]);

function setupText(setup, all) {
  const [variant, sink, connections, streams] = JSON.parse(setup);
  const name = variant || "every axis at its default";
  const isAmbiguous = all.some((other) => other !== setup && JSON.parse(other)[0] === variant);
  if (!isAmbiguous) return name;
  return `${name} (sink ${sink}, ${countText(connections, "connection")}, ${countText(streams, "stream")})`;
}

/** By what a figure's cases can differ. `prefer` says what is chosen first. */
const DIMENSIONS = {
  setup: {
    label: "Setup",
    of: setupOf,
    text: setupText,
    order: () => 0,
    prefer: (_, cases) => mostFrequent(cases.map(setupOf)),
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

/** The same dimension, where the choice falls first on the case with the least room to its allowance. */
function leastRoomFirst(name) {
  const { of } = DIMENSIONS[name];
  const tightest = (cases) => lowest(cases, leastRoom) ?? highest(cases, (c) => c.receiver?.peak_rss_bytes) ?? cases[0];
  return { ...DIMENSIONS[name], prefer: (_, cases) => of(tightest(cases)) };
}

/**
 * Keeps the cases that agree with what is chosen, dimension by dimension in their order: what is chosen in an earlier
 * one limits what a later one offers. A choice that is not offered gives way to the preferred one.
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

/** The cases that share all but one dimension with another: those of which lines over that dimension consist. */
function inLinesOver(cases, name) {
  const others = Object.keys(DIMENSIONS).filter((other) => other !== name);
  const lineOf = (c) => JSON.stringify(others.map((other) => DIMENSIONS[other].of(c)));
  const lengths = new Map();
  for (const line of cases.map(lineOf)) lengths.set(line, (lengths.get(line) ?? 0) + 1);
  return cases.filter((c) => lengths.get(lineOf(c)) > 1);
}

/** Body rates between neighbouring samples of a timeline, as [seconds, bytes/s] at the end of each interval. */
function ratesOf(timeline) {
  const rates = [];
  for (let i = 1; i < timeline.length; i++) {
    const [start, , , before] = timeline[i - 1];
    const [end, , , after] = timeline[i];
    if (end > start && before != null && after != null) rates.push([end, (after - before) / (end - start)]);
  }
  return rates;
}
