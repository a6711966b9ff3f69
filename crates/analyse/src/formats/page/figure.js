// One figure: heading, reading, choices, chart and numbers.
//
// A plan describes a figure: id, heading, term, cases, dimensions, height, isWide, isByProtocol, and
// view(cases, choices), which returns { reading, keys, hasBars, option(chartWidth), numbers }.

const figures = [];
const hiddenProtocols = new Set();

function chooser(plan, name, onChoice) {
  const { label, of } = plan.dimensions[name];
  const select = el("select", { name });
  select.addEventListener("change", () =>
    onChoice(
      name,
      plan.cases.map(of).find((value) => String(value) === select.value),
    ),
  );
  const isNeeded = distinct(plan.cases.map(of)).length > 1;
  return { name, select, element: el("label", { hidden: !isNeeded }, el("span", {}, label), select) };
}

function offer({ name, select }, { values, value }, { text }) {
  select.replaceChildren(...values.map((v) => el("option", { value: String(v) }, text(v, values))));
  select.value = String(value);
}

function frameOf(plan, choosers) {
  const headingId = `${plan.id}-heading`;
  const frame = {
    reading: el("p", { class: "reading" }),
    keys: el("div", { class: "keys" }),
    chart: el("div", { class: "chart", role: "img", style: `height:${plan.height ?? 320}px` }),
    numbers: el("div", {}),
  };
  const isChoosable = choosers.some(({ element }) => !element.hidden);
  frame.root = el(
    "figure",
    { "data-chart": plan.id, "aria-labelledby": headingId, class: plan.isWide ? "wide" : null },
    el("figcaption", {}, el("h3", { id: headingId }, plan.heading), defineButton(plan.term), frame.reading),
    isChoosable &&
      el(
        "div",
        { class: "choosers" },
        choosers.map(({ element }) => element),
      ),
    frame.keys,
    frame.chart,
    el("details", {}, el("summary", {}, "The numbers"), frame.numbers),
  );
  return frame;
}

/** Adds a figure to `parent`. show() draws it, once `parent` is part of the document. */
function addFigure(plan, parent) {
  const chosen = {};
  const choosers = Object.keys(plan.dimensions).map((name) =>
    chooser(plan, name, (changed, value) => {
      chosen[changed] = value;
      show();
    }),
  );
  const frame = frameOf(plan, choosers);
  parent.append(frame.root);
  let chart;
  let view;

  function show() {
    const { cases, choices } = narrow(plan.cases, plan.dimensions, chosen);
    for (const each of choosers) offer(each, choices[each.name], plan.dimensions[each.name]);
    view = plan.view(plan.isByProtocol ? cases.filter((c) => !hiddenProtocols.has(c.protocol)) : cases, choices);
    frame.reading.replaceChildren(view.reading);
    frame.chart.setAttribute("aria-label", `${plan.heading}. ${view.reading}`);
    frame.numbers.replaceChildren(scrolling(`${plan.heading}: the numbers`, plainTable(...view.numbers)));
    paint();
  }

  function paint() {
    chart ??= echarts.init(frame.chart, null, { renderer: "svg" });
    frame.keys.replaceChildren(...view.keys.map((name) => keyOf(name, view.hasBars)));
    chart.setOption(view.option(chart.getWidth()), { notMerge: true });
  }

  function resize() {
    if (!chart || chart.getWidth() === frame.chart.clientWidth) return;
    chart.resize();
    paint();
  }

  new ResizeObserver(resize).observe(frame.chart);
  figures.push({ plan, show, paint });
}

function paintAll() {
  for (const { paint } of figures) paint();
}

/** Prints in the light colours, whatever the colour scheme of the screen. */
function printInLight() {
  const turn = (printing) => () => {
    isPrinting = printing;
    paintAll();
  };
  addEventListener("beforeprint", turn(true));
  addEventListener("afterprint", turn(false));
}

/** The choice of protocols, in force in every figure that compares protocols. */
function protocolFilter(protocols) {
  const box = (protocol) => {
    const input = el("input", { type: "checkbox", name: "protocol", value: protocol, checked: true });
    input.addEventListener("change", () => {
      if (input.checked) hiddenProtocols.delete(protocol);
      else hiddenProtocols.add(protocol);
      for (const { plan, show } of figures) if (plan.isByProtocol) show();
    });
    return { input, label: el("span", {}), protocol };
  };
  const boxes = protocols.map(box);
  const paintKeys = () => boxes.forEach(({ label, protocol }) => label.replaceChildren(keyOf(protocol)));
  paintKeys();
  darkScheme.addEventListener("change", paintKeys);
  return el(
    "fieldset",
    { class: "protocols" },
    el("legend", {}, "Protocols compared"),
    boxes.map(({ input, label }) => el("label", {}, input, label)),
  );
}
