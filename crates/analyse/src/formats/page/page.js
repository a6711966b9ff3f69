// Assembles the page from the data in it.

const VERDICT_SYMBOLS = { good: "✓", remark: "!", early: "!", failed: "✗", memory: "▲", integrity: "≠", unclear: "?" };

function machineText({ host, peer_host }) {
  return peer_host ? `client: ${hostText(host)}; server: ${hostText(peer_host)}` : hostText(host);
}

function hostText(host) {
  const parts = [
    host.cpu,
    given(host.cores, (n) => countText(n, "core")),
    given(host.memory_bytes, (n) => `${whole(n / GIB)} GiB`),
  ];
  return [host.name, ...parts, [host.os, host.kernel].filter(Boolean).join(" ")].filter(Boolean).join(", ");
}

function whenText() {
  const known = [data.first_started_at, data.last_started_at].filter(Boolean).map(timeText);
  return known.length > 0 && distinct(known).join(" to ");
}

function machinesNote() {
  const count = distinct(data.machines.map(({ host, peer_host, build }) => JSON.stringify([host, peer_host, build]))).length;
  return (
    count > 1 &&
    el(
      "p",
      { class: "notice" },
      `▲ These records come from ${count} different machines or builds. Compare their figures with care.`,
    )
  );
}

/** The tiles of the brief answer. */
function tiles() {
  const tile = ({ title, answer, detail, command, tone }) =>
    el(
      "div",
      { class: `tile ${tone}` },
      el("dt", {}, title),
      el("dd", {}, el("strong", {}, answer), el("p", {}, detail, command && " ", command && el("code", {}, command))),
    );
  // The tiles of two directions stand in rows of four.
  const attributes = { class: data.tiles.length > 5 ? "tiles many" : "tiles", "aria-label": "The answer in brief" };
  return data.tiles.length > 0 && el("dl", attributes, data.tiles.map(tile));
}

/** The number of items of a list that stay in view. Further items are collapsed. */
const IN_VIEW = 2;

function list(name, lines, inViewCount = IN_VIEW) {
  if (lines.length === 0) return null;
  const items = (some) =>
    el(
      "ul",
      {},
      some.map((line) => el("li", {}, line)),
    );
  const [inView, folded] = [lines.slice(0, inViewCount), lines.slice(inViewCount)];
  return section(
    name.toLowerCase(),
    name,
    items(inView),
    folded.length > 0 && el("details", {}, el("summary", {}, `${whole(folded.length)} more`), items(folded)),
  );
}

/** The number of runs and cases, the machine, and the files with the data. */
function facts() {
  const runs = data.cases.reduce((sum, c) => sum + (c.runs ?? 0), 0);
  const addressOf = (path) => path.split("/").map(encodeURIComponent).join("/");
  // The folders above the last two would say more about the machine than about the records.
  const nameOfFile = (path) => path.split("/").slice(-3).join("/");
  const records = data.links.flatMap((path) => [" ", el("a", { href: addressOf(path) }, nameOfFile(path))]);
  const builds = data.machines.map(({ build }) => ["longhaul", build.version, build.commit].filter(Boolean).join(" "));
  const parts = [
    `${countText(data.cases.length, "case")}, ${countText(runs, "run")}`,
    whenText(),
    ...distinct(data.machines.map(machineText)),
    ...distinct(builds),
    records.length > 0 && ["records:", ...records],
  ].filter(Boolean);
  return el(
    "ul",
    { class: "facts" },
    parts.map((fact) => el("li", {}, fact)),
  );
}

/** A link to the warnings, for a narrow page, on which they stand below the tiles. */
const warningsLink = () =>
  data.warnings.length > 0 &&
  el("p", { class: "warned" }, el("a", { href: "#warnings" }, `▲ ${countText(data.warnings.length, "warning")}`));

function head() {
  return [
    el("h1", {}, data.title),
    el(
      "p",
      { class: `outcome ${data.verdict.kind}` },
      el("span", { "aria-hidden": "true" }, VERDICT_SYMBOLS[data.verdict.kind]),
      ` ${data.verdict.text}`,
    ),
    warningsLink(),
    machinesNote(),
    tiles(),
    list("Warnings", data.warnings, data.warnings.length),
    facts(),
    list("Findings", data.findings),
    list("Notes", [...(data.proof?.absorbed ?? []), ...data.notes]),
  ];
}

function contents(sections) {
  return el(
    "nav",
    { "aria-label": "Contents" },
    sections.map(({ id, firstElementChild }) => el("a", { href: `#${id}` }, firstElementChild.textContent)),
  );
}

function plans() {
  const directions = Object.keys(DIRECTIONS);
  // A chart has no room to name the programs of both ends at a point.
  const cases = data.cases.filter((c) => c.peer === null && !c.is_control);
  const speed = [goodputPlan, taxPlan].flatMap((plan) => directions.map((direction) => plan(cases, direction)));
  const memory = [rssByBodyPlan(cases), rssByChunkPlan(cases)];
  return [
    proofPlan(data.proof),
    ...(data.proof ? [...memory, ...speed] : [...speed, ...memory]),
    cpuPlan(cases),
    throughputPlan(cases),
    pullWaitPlan(cases),
    timelinePlan(cases),
  ].filter((plan) => plan.cases.length >= (plan.least ?? 1));
}

/** Widens each chart that would otherwise stand alone in a row of two. */
function withoutGaps(drawn) {
  let isSecond = false;
  return drawn.map((plan, at) => {
    const isAlone = !isSecond && (at + 1 === drawn.length || drawn[at + 1].isWide);
    const isWide = Boolean(plan.isWide || isAlone);
    isSecond = !isWide && !isSecond;
    return { ...plan, isWide };
  });
}

function charts() {
  const drawn = plans();
  // The checkboxes of protocols stand between the chart of a proof, which they do not affect, and all others.
  const [first, rest] = ["figures", "figures"].map((name) => el("div", { class: name }));
  for (const plan of withoutGaps(drawn)) addFigure(plan, plan.id === "proof" ? first : rest);
  const compared = PROTOCOLS.filter((protocol) =>
    drawn.some(({ isByProtocol, cases }) => isByProtocol && cases.some(isOf(protocol))),
  );
  const filter = compared.length > 1 && protocolFilter(compared);
  return drawn.length > 0 && section("charts", "Charts", first, filter, rest, packetsNote());
}

/** The command lines, with a button that copies them if the browser allows access to the clipboard. */
function command() {
  if (data.command == null) return null;
  const code = el("code", {}, data.command);
  const status = el("span", { role: "status" });
  const button = el("button", { type: "button" }, "Copy");
  button.addEventListener("click", () => {
    navigator.clipboard.writeText(data.command).then(
      () => (status.textContent = "Copied."),
      () => {
        getSelection().selectAllChildren(code);
        status.textContent = "Selected; copy it with the keyboard.";
      },
    );
  });
  return [
    scrolling("Command line", el("pre", {}, code)),
    navigator.clipboard && el("p", { class: "copy" }, button, status),
  ];
}

function limitText(value) {
  if (typeof value !== "number") return String(value);
  return value >= KIB && value % KIB === 0 ? `${whole(value)} (${sizeText(value)})` : whole(value);
}

/** The facts about the machine and the build of some records. */
function factsOf(entry) {
  const { build, records } = entry;
  const versions = Object.entries(build.versions).map(([name, version]) => `${name} ${version}`);
  return [
    ["Machine", machineText(entry)],
    ["Records", whole(records)],
    ["Build", `longhaul ${[build.version, build.commit, build.profile].filter(Boolean).join(", ")}`],
    ["Allocator", build.allocator ?? NONE],
    ["Libraries", versions.join(", ") || NONE],
  ];
}

const limitsOf = ({ limits }) => Object.entries(limits).map(([name, value]) => [name, limitText(value)]);

function machine(entry) {
  const count = data.machines.length;
  const inForce = limitsOf(entry);
  return [
    el("h3", {}, count > 1 ? `Machine, build and limits 1 of ${count}` : "Machine and build"),
    definitionList(factsOf(entry)),
    inForce.length > 0 && el("div", { class: "limits" }, el("h4", {}, "Limits in force"), definitionList(inForce)),
  ];
}

/** The most names of differences in the summary of a further machine, build or set of limits. */
const NAMED_DIFFERENCES = 4;

/** A further machine, build or set of limits: its differences from the first, collapsed. */
function furtherMachine(entry, index) {
  const [first] = data.machines;
  const known = new Map([...factsOf(first), ...limitsOf(first)]);
  const own = [...factsOf(entry), ...limitsOf(entry)];
  const missing = [...known.keys()].filter((name) => !own.some(([other]) => other === name)).map((name) => [name, NONE]);
  const differing = [...own, ...missing].filter(([name, text]) => known.get(name) !== text && name !== "Records");
  const names = differing.map(([name]) => name);
  const further = names.length > NAMED_DIFFERENCES ? [`${names.length - NAMED_DIFFERENCES} more`] : [];
  const title = `Machine, build and limits ${index + 2} of ${data.machines.length}`;
  const other = names.length > 0 ? `: other ${listText([...names.slice(0, NAMED_DIFFERENCES), ...further])}` : "";
  const summary = `${title}, ${countText(entry.records, "record")}${other}`;
  return el("details", {}, el("summary", {}, summary), definitionList(differing));
}

function making() {
  const [first, ...others] = data.machines;
  const machines = [first && machine(first), others.map(furtherMachine)];
  return section("making", "How it was made", command(), machinesNote(), machines);
}

function reading() {
  return section(
    "reading",
    "How to read this page",
    READING.map((text) => el("p", {}, text)),
  );
}

function licence() {
  return el(
    "p",
    { class: "licence" },
    `The charts are drawn by Apache ECharts ${echarts.version} (Apache License 2.0), with zrender (BSD-3-Clause) and tslib (0BSD), embedded in this page. Copyright 2017-2026 The Apache Software Foundation.`,
  );
}

function build() {
  const sections = [
    charts(),
    matrixSection(),
    caseTable(data.cases),
    tuningTable(data.untuned),
    framingTable(data.cases),
    making(),
    definitions(),
  ].filter(Boolean);
  const last = reading();
  document.getElementById("head").append(...head().filter(Boolean), contents([...sections, last]));
  document.getElementById("content").replaceChildren(...sections);
  document.getElementById("foot").append(last, licence());
  document.body.append(...popovers());
  for (const { show } of figures) show();
  darkScheme.addEventListener("change", paintAll);
  printInLight();
  followSections();
}

build();
