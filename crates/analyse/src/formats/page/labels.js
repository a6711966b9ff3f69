// The names of lines at their right ends, moved apart where they would overlap.

const LABEL_HEIGHT = 14;

/** The room for names to the right of a chart, in pixels. */
const roomFor = (names) => 14 + 6.8 * Math.max(0, ...names.map((name) => name.length));

/** Whether a chart is too narrow for names beside its lines or rows, by its width in pixels. */
const isNarrowChart = (chartWidth) => chartWidth < 560;

/** The room for the names of lines beside panels: none in a narrow chart. */
const roomBeside = (names, chartWidth) => (isNarrowChart(chartWidth) ? 0 : roomFor(names));

/** Positions at least `distance` apart, between `top` and `bottom`, near `wanted` and in the same order. */
function movedApart(wanted, distance, top, bottom) {
  const order = wanted.map((_, at) => at).sort((a, b) => wanted[a] - wanted[b]);
  const places = [...wanted];
  let least = top;
  for (const at of order) {
    places[at] = Math.max(places[at], least);
    least = places[at] + distance;
  }
  let most = bottom;
  for (const at of order.reverse()) {
    places[at] = Math.min(places[at], most);
    most = places[at] - distance;
  }
  return places;
}

/** Adds the names of lines to a drawn chart. `ends` are `{ name, text, at, panel }` with `at` at the right edge. */
function labelEnds(chart, ends) {
  const panels = distinct(ends.map(({ panel = 0 }) => panel));
  const series = panels.map((of) => endLabels(chart, ends.filter(({ panel = 0 }) => panel === of), of));
  chart.setOption({ series });
}

/** The names of the lines of one panel. */
function endLabels(chart, ends, panel) {
  const axes = { xAxisIndex: panel, yAxisIndex: panel };
  const wanted = ends.map(({ at }) => chart.convertToPixel(axes, at)[1]);
  const places = movedApart(wanted, LABEL_HEIGHT, LABEL_HEIGHT / 2, chart.getHeight() - 3 * LABEL_HEIGHT);
  const data = ends.map(({ name, text, at }, i) => ({
    value: at,
    label: { formatter: text, color: colourOf(name), offset: [0, places[i] - wanted[i]] },
  }));
  return {
    ...axes,
    type: "scatter",
    id: `${BESIDE}labels ${panel}`,
    data,
    symbolSize: 0.1,
    itemStyle: { opacity: 1 },
    silent: true,
    clip: false,
    tooltip: { show: false },
    label: { show: true, position: "right", distance: 10, fontSize: 12 },
  };
}
