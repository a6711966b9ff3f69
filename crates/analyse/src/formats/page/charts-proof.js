// The chart of a proof: for each end, the slope of memory over body bytes, with its interval and the limit.

/** Slopes in KiB per GiB at which the axis has marks. */
const SLOPE_MARKS = [-1e4, -1000, -100, -10, -1, 0, 1, 10, 100, 1000, 1e4, 1e5, 1e6];

const FINE_SLOPE_MARKS = new Set([-10, -1, 1, 10, 1000, 1e5]);

/** The place of a slope on an axis that is almost linear within one KiB per GiB of zero, and logarithmic beyond. */
const placeOf = (slope) => Math.sign(slope) * Math.log10(1 + Math.abs(slope));

const shortCount = (n) => (Math.abs(n) >= 1e6 ? `${n / 1e6}M` : Math.abs(n) >= 1000 ? `${n / 1000}k` : String(n));
const slopeNumber = (slope) => (Math.abs(slope) < 100 ? twoDecimals(slope) : whole(slope)).replace(/^-(0\.00)$/, "$1");
/** An upper bound of a slope, rounded up as in the answer at the top. */
const boundNumber = (slope) => oneDecimal(Math.ceil(Math.max(0, slope) * 10) / 10);
const isConstant = ({ word }) => word === "CONSTANT";

const PROOF_ROW_HEIGHT = 24;
const NARROW_PROOF_ROW_HEIGHT = 38;

/** The words beside a point, in px: their size, their distance to it, and the width of a letter. */
const LABEL_SIZE = 12;
const LABEL_DISTANCE = 8;
const LABEL_LETTER = 6.5;

const PROOF_STYLES = ["sender", "receiver", "p95", "p99.9"];

function proofReading({ ends, lacks_controls, needs_controls }) {
  const measured = ends.filter(({ is_control }) => !is_control);
  const controls = ends.filter(({ is_control }) => is_control);
  const words = distinct(measured.map(({ word }) => word)).map(
    (word) => `${whole(measured.filter((end) => end.word === word).length)} ${word}`,
  );
  const top = highest(measured, ({ slope }) => slope?.[2]);
  const bound =
    top &&
    `Highest upper bound: ${boundNumber(top.slope[2])} KiB per GiB (${top.series}, ${top.end}); ` +
      `the limit is ${whole(top.limit)}.`;
  const unnoticed = controls.filter(({ is_as_expected }) => !is_as_expected).length;
  const noticed =
    controls.length === 0
      ? needs_controls && `No controls were run${lacks_controls ? " yet" : ""}, so nothing shows that growth would be noticed.`
      : unnoticed === 0
        ? `${countText(controls.length, "control")} behaved as expected.`
        : `${unnoticed} of ${countText(controls.length, "control")} went unnoticed, so nothing is proven.`;
  return [`Of ${countText(measured.length, "end")}: ${words.join(", ")}.`, bound, noticed].filter(Boolean).join(" ");
}

/** The axis of slopes, wide enough for all intervals and the limits. A narrow axis has fewer marks. */
function slopeAxis(ends, isNarrow) {
  const slopes = ends.flatMap(({ slope, limit }) => [...(slope ?? []), limit]);
  const [min, max] = [Math.min(-1, ...slopes), Math.max(...slopes)].map(placeOf);
  const fits = (mark) => placeOf(mark) >= min && placeOf(mark) <= max + 0.3;
  const marks = SLOPE_MARKS.filter((mark) => fits(mark) && !(isNarrow && FINE_SLOPE_MARKS.has(mark)));
  const customValues = marks.map(placeOf);
  return underAxis("KiB per GiB of body, logarithmic", {
    min: min - 0.1,
    max: max + 0.35,
    axisTick: { show: false, customValues },
    axisLabel: {
      ...labelStyle(),
      customValues,
      formatter: (place) => shortCount(marks[customValues.findIndex((value) => Math.abs(value - place) < 1e-9)] ?? ""),
    },
  });
}

/** A line at the slope that counts as growth. Ends whose reader stands still can have a limit of their own. */
function limitLine(limit, ends) {
  const isOfStalls = ends.every(({ is_stalled }) => is_stalled);
  const line = comparedLine("xAxis", placeOf(limit));
  const lineStyle = { color: colourOf("max"), type: [6, 4], width: 1.5 };
  const formatter = `limit ${whole(limit)}${isOfStalls ? ", reader stands still" : ""}`;
  const label = { show: true, position: "insideStartTop", formatter, ...labelStyle() };
  return { ...line, id: `${BESIDE}limit ${limit}`, markLine: { ...line.markLine, lineStyle, label } };
}

function proofOption(proof, names, ends, chartWidth) {
  const isNarrow = isNarrowChart(chartWidth);
  const nameWidth = isNarrow ? 130 : 330;
  const endNames = distinct(ends.map(({ end }) => end));
  const shiftOf = (end) => (endNames.length === 1 ? 0 : endNames.indexOf(end) === 0 ? -0.18 : 0.18);
  const yOf = ({ series, end }) => names.indexOf(series) + shiftOf(end);
  const nameOfStyle = ({ is_control, end }) =>
    is_control ? "control" : PROOF_STYLES[endNames.indexOf(end) % PROOF_STYLES.length];
  const words = ({ is_control, is_as_expected, word }) => {
    if (!is_control) return word;
    return isNarrow ? "control" : `${word}, ${is_as_expected ? "as expected" : "UNNOTICED"}`;
  };
  // Words stand on the right of a point, or on its left if they would leave the chart and there is more room.
  const axis = slopeAxis(ends, isNarrow);
  const plotWidth = chartWidth - nameWidth - 20;
  const sideOf = (text, place) => {
    const left = ((place - axis.min) / (axis.max - axis.min)) * plotWidth;
    const right = plotWidth - left;
    return right > LABEL_DISTANCE + LABEL_LETTER * text.length || right > left ? "right" : "left";
  };
  // Both ends of a row that have the same word share it.
  const isRepeated = (end) =>
    !end.is_control &&
    ends.some((other) => other.series === end.series && other.word === end.word && other.end === endNames[0] && other !== end);
  const series = ends.flatMap((end, at) => {
    if (end.slope == null) return [];
    const [estimate, low, high] = end.slope.map(placeOf);
    const y = yOf(end);
    const style = nameOfStyle(end);
    const label = {
      show: (end.is_control || !isConstant(end)) && !isRepeated(end),
      position: sideOf(words(end), estimate),
      distance: LABEL_DISTANCE,
      formatter: words(end),
      color: palette().text,
      fontSize: LABEL_SIZE,
    };
    return [
      {
        ...pointSeries(style, [[estimate, y]]),
        id: `end ${at}`,
        name: `${end.series} ${end.end}`,
        symbolSize: 8,
        label,
      },
      rangeSeries(`end ${at}`, [[low, high].map((place) => [place, y])], colourOf(style)),
    ];
  });
  const tip = ([{ seriesId }]) => {
    const end = ends[Number(seriesId.slice("end ".length))];
    return el(
      "div",
      { class: "tip" },
      el("strong", {}, `${end.series}, ${end.end}`),
      el("p", {}, end.text),
      end.reason && el("p", {}, end.reason),
    );
  };
  const limits = distinct(ends.map(({ limit }) => limit));
  const option = chartOption(tip, {
    // The scale stands below and above the rows, because a chart of many rows is long.
    xAxis: [axis, { ...axis, position: "top", name: "", splitLine: { show: false } }],
    yAxis: {
      type: "value",
      inverse: true,
      min: -0.6,
      max: names.length - 0.4,
      axisLine: { show: false },
      axisTick: { show: false, customValues: names.map((_, at) => at) },
      splitLine: { show: false },
      axisLabel: {
        ...labelStyle(),
        customValues: names.map((_, at) => at),
        formatter: (at) => names[Math.round(at)] ?? "",
        width: nameWidth,
        overflow: isNarrow ? "break" : "truncate",
        fontSize: isNarrow ? 10 : 12,
        lineHeight: 11,
      },
    },
    series: [
      ...series,
      ...limits.map((limit) => limitLine(limit, ends.filter((end) => end.limit === limit))),
      { ...comparedLine("xAxis", 0), id: `${BESIDE}zero` },
    ],
  });
  option.grid = { ...option.grid, top: 20 };
  option.tooltip = { ...option.tooltip, trigger: "item", formatter: (params) => tip([params]) };
  return option;
}

/** The keys of sender, receiver and controls; empty unless the proof is about both of longhaul's own ends. */
function proofKeys(ends) {
  const endNames = distinct(ends.map(({ end }) => end));
  const isOwn = endNames.length > 1 && endNames.every((end, at) => end === PROOF_STYLES[at]);
  return isOwn ? [...endNames, ...(ends.some(({ is_control }) => is_control) ? ["control"] : [])] : [];
}

function proofPlan(proof) {
  const ends = proof?.ends ?? [];
  const names = distinct(ends.map(({ series }) => series));
  const slope = ["slope, KiB/GiB", "interval", "limit", "bound, B/chunk"];
  const columns = ["Series", "End", "verdict", ...slope, "growth, MiB", "budget, MiB", "remark"];
  const row = (end) => [
    end.series,
    end.is_control ? `${end.end} (control)` : end.end,
    end.word,
    given(end.slope, ([estimate]) => slopeNumber(estimate)) ?? NONE,
    given(end.slope, ([, low, high]) => `[${slopeNumber(low)}, ${slopeNumber(high)}]`) ?? NONE,
    whole(end.limit),
    given(end.bound_per_chunk, twoDecimals) ?? NONE,
    oneDecimal(toMib(end.growth_bytes)),
    oneDecimal(toMib(end.budget_bytes)),
    end.reason ?? "",
  ];
  return {
    id: "proof",
    heading: "Does memory grow with the body?",
    term: "slope",
    cases: ends,
    isWide: true,
    isOpen: ends.some((end) => !isConstant(end) && !end.is_control),
    height: (width) => 90 + (isNarrowChart(width) ? NARROW_PROOF_ROW_HEIGHT : PROOF_ROW_HEIGHT) * names.length,
    dimensions: {},
    view: () => ({
      reading: proofReading(proof),
      keys: proofKeys(ends),
      option: (chartWidth) => proofOption(proof, names, ends, chartWidth),
      numbers: [columns, ends.map(row)],
    }),
  };
}
