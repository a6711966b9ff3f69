// One figure: heading, reading, choices, chart and numbers.
//
// A plan describes a figure: id, heading, term, cases, dimensions, height, isWide, isByProtocol, and
// view(cases, choices), which returns { reading, keys, hasBars, height, option(chartWidth), ends(), numbers }.
// `keys` are names, or groups { label, names }; `ends` are the labels at the right ends of lines; `height` is in
// pixels, or a function of the width.

const figures = [];
const hiddenProtocols = new Set(stateOf("hidden")?.split(",") ?? []);

/** The element of a key, or of a group: its label and its keys. */
const keysOf = (key, hasBars) =>
  typeof key === "string"
    ? keyOf(key, hasBars)
    : el("span", { class: "group" }, el("span", {}, key.label), ...key.names.map((name) => keyOf(name, hasBars)));

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
    chosen: el("p", { class: "chosen" }),
    keys: el("div", { class: "keys" }),
    chart: el("div", { class: "chart", role: "img" }),
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
    frame.chosen,
    frame.keys,
    frame.chart,
    el("details", { open: plan.isOpen }, el("summary", {}, "The numbers"), frame.numbers),
    saveButtons(plan.heading, {
      SVG: () => saveSvg(fileOf(plan.id, frame.choices, "svg"), pictureOf(plan.heading, frame)),
      PNG: () => savePng(fileOf(plan.id, frame.choices, "png"), pictureOf(plan.heading, frame)),
      CSV: () => saveCsv(fileOf(plan.id, frame.choices, "csv"), ...withChoices(frame.choices, frame.shown)),
    }),
  );
  return frame;
}

/** The choices of a figure in words. A setup with every axis at its default goes without saying, if it is the only one. */
const statedChoices = (plan, choices) =>
  Object.entries(choices)
    .filter(([name, { values, value }]) => name !== "setup" || values.length > 1 || JSON.parse(value)[0] !== "")
    .map(([name, { text }]) => ({ name, label: plan.dimensions[name].label, text }));

/** Adds a figure to `parent`. show() draws it, once `parent` is part of the document. */
function addFigure(plan, parent) {
  const chosen = {};
  for (const [name, { of }] of Object.entries(plan.dimensions))
    chosen[name] = plan.cases.map(of).find((value) => String(value) === stateOf(`${plan.id}.${name}`));
  const choosers = Object.keys(plan.dimensions).map((name) =>
    chooser(plan, name, (changed, value) => {
      chosen[changed] = value;
      setState(`${plan.id}.${changed}`, String(value));
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
    const isOffered = ({ name }) => choosers.some((each) => each.name === name && !each.element.hidden);
    const stated = statedChoices(plan, choices);
    // A setup that is not offered as a choice is that of all cases. A figure of a single case names it anyway.
    const common = stated.filter((choice) => plan.isByProtocol && choice.name === "setup" && !isOffered(choice));
    const reading = [view.reading, ...common.map(({ text }) => `Setup: ${text}.`)].filter(Boolean).join(" ");
    frame.reading.replaceChildren(reading);
    frame.chart.setAttribute("aria-label", `${plan.heading}. ${reading}`);
    frame.shown = view.numbers;
    frame.choices = stated.map(({ label, text }) => [label, text]);
    frame.chosen.textContent = choicesText(stated.filter(isOffered).map(({ label, text }) => [label, text]));
    frame.numbers.replaceChildren(scrolling(`${plan.heading}: the numbers`, plainTable(...view.numbers)));
    paint();
  }

  function paint() {
    const height = view.height ?? plan.height ?? 320;
    frame.chart.style.height = `${typeof height === "function" ? height(frame.chart.clientWidth) : height}px`;
    chart ??= echarts.init(frame.chart, null, { renderer: "svg" });
    if (chart.getHeight() !== frame.chart.clientHeight) chart.resize();
    frame.keys.replaceChildren(...view.keys.map((key) => keysOf(key, view.hasBars)));
    chart.setOption(view.option(chart.getWidth()), { notMerge: true });
    if (view.ends) labelEnds(chart, view.ends(chart.getWidth()));
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

/** The checkboxes of protocols, which apply to every figure that compares protocols. */
function protocolFilter(protocols) {
  const box = (protocol) => {
    const checked = !hiddenProtocols.has(protocol);
    const input = el("input", { type: "checkbox", name: "protocol", value: protocol, checked });
    input.addEventListener("change", () => {
      if (input.checked) hiddenProtocols.delete(protocol);
      else hiddenProtocols.add(protocol);
      setState("hidden", [...hiddenProtocols].join(","));
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
