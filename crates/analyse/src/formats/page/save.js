// Charts and tables as files: SVG, PNG and CSV.

function saveFile(name, blob) {
  const address = URL.createObjectURL(blob);
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

const HEADING_HEIGHT = 32;

/** The height of a line of small text in a saved picture, its font size and the width of a letter, in pixels. */
const SMALL = { line: 18, size: 13, letter: 6.6 };

/** A text in lines that fit into a picture of this width. */
function linesOf(text, width) {
  const most = Math.max(20, Math.floor((width - 8) / SMALL.letter));
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1) !== "" && lines.at(-1).length + 1 + word.length > most) lines.push("");
    lines.push(`${lines.pop()} ${word}`.trim());
  }
  return lines.filter(Boolean);
}

/** The choices that a chart shows, in words: "Body size: 2 GiB; Direction: upload". */
const choicesText = (choices) => choices.map(([label, text]) => `${label}: ${text}`).join("; ");

/** The name of a file with a chart and the values of its choices. */
function fileOf(id, choices, ending) {
  const words = [id, ...choices.map(([, text]) => text.replaceAll("\u00a0", ""))].join(" ");
  const name = words.replaceAll(/[^\p{L}\p{N}.=]+/gu, "-").slice(0, 100);
  return `${name.replaceAll(/-$/g, "")}.${ending}`;
}

/** The numbers of a chart, with its choices as first columns. */
const withChoices = (choices, [head, rows]) => [
  [...choices.map(([label]) => label), ...head],
  rows.map((row) => [...choices.map(([, text]) => text), ...row]),
];

/** A figure as a picture of its own: heading, choices, reading, keys and chart on the background of the page. */
function pictureOf(heading, frame) {
  const { text, quiet, surface } = palette();
  const drawing = frame.chart.querySelector("svg");
  const [width, height] = [frame.chart.clientWidth, frame.chart.clientHeight];
  const keysHeight = frame.keys.clientHeight;
  const lines = [choicesText(frame.choices), frame.reading.textContent].flatMap((part) => linesOf(part, width));
  const keysTop = HEADING_HEIGHT + lines.length * SMALL.line;
  const top = keysTop + keysHeight;
  const origin = frame.keys.getBoundingClientRect();
  const keys = [...frame.keys.querySelectorAll(".key")].map((key) => {
    const { left, top: y } = key.getBoundingClientRect();
    const sample = key.querySelector("svg").cloneNode(true);
    const sampleWidth = Number(sample.getAttribute("width"));
    const place = `translate(${left - origin.left} ${y - origin.top + keysTop})`;
    const name = svg("text", { x: sampleWidth + 6, y: 11, "font-size": 13 }, key.textContent);
    return svg("g", { transform: place }, sample, name);
  });
  const chart = drawing.cloneNode(true);
  for (const [name, value] of Object.entries({ x: 0, y: top, width, height })) chart.setAttribute(name, value);
  return svg(
    "svg",
    { xmlns: SVG, width, height: top + height, fill: text, "font-family": "system-ui, sans-serif" },
    svg("rect", { width: "100%", height: "100%", fill: surface }),
    svg("text", { x: 4, y: 20, "font-size": 16, "font-weight": 600 }, heading),
    lines.map((line, at) =>
      svg("text", { x: 4, y: HEADING_HEIGHT + 10 + at * SMALL.line, "font-size": SMALL.size, fill: quiet }, line),
    ),
    ...keys,
    chart,
  );
}

const svgText = (picture) => new XMLSerializer().serializeToString(picture);

const saveSvg = (name, picture) => saveFile(name, new Blob([svgText(picture)], { type: "image/svg+xml" }));

function savePng(name, picture) {
  const scale = 2;
  const [width, height] = ["width", "height"].map((side) => Number(picture.getAttribute(side)));
  const image = new Image(width, height);
  image.addEventListener("load", () => {
    const canvas = el("canvas", { width: width * scale, height: height * scale });
    canvas.getContext("2d").drawImage(image, 0, 0, width * scale, height * scale);
    canvas.toBlob((blob) => saveFile(name, blob), "image/png");
  });
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText(picture))}`;
}

/** A field of CSV (RFC 4180). Removes the commas between thousands, which the page shows. */
function csvField(value) {
  const shown = value == null || value === NONE ? "" : String(value);
  const text = shown.replaceAll("\u00a0", " ").replaceAll(/(?<=\d),(?=\d{3}\b)/g, "");
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const csvText = (head, rows) => [head, ...rows].map((row) => `${row.map(csvField).join(",")}\r\n`).join("");

const saveCsv = (name, head, rows) => saveFile(name, new Blob([csvText(head, rows)], { type: "text/csv" }));

/** Buttons that save `what` in several formats. `actions` maps the name of a format to its function. */
function saveButtons(what, actions) {
  return el(
    "p",
    { class: "save" },
    el("span", {}, "Save"),
    Object.entries(actions).map(([format, action]) => {
      const button = el("button", { type: "button", "aria-label": `Save ${what} as ${format}` }, format);
      button.addEventListener("click", action);
      return button;
    }),
  );
}

/** A table of texts that scrolls, and the button that saves it as a file. */
const savedTable = (subject, file, head, rows) =>
  el(
    "div",
    {},
    scrolling(`Table of ${subject}`, plainTable(head, rows)),
    saveButtons(`the table of ${subject}`, { CSV: () => saveCsv(`${file}.csv`, head, rows) }),
  );
