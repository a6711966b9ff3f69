// Builders of elements, and of the parts that several sections of the page have in common.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value != null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

function section(id, heading, ...children) {
  return el(
    "section",
    { id, "aria-labelledby": `${id}-heading` },
    el("h2", { id: `${id}-heading` }, heading),
    ...children,
  );
}

/** A region that scrolls content wider than the page, by keyboard too. */
function scrolling(label, child, className = "scroll") {
  return el("div", { class: className, role: "region", tabindex: "0", "aria-label": label }, child);
}

/** A table whose first column names its rows. */
function plainTable(head, rows) {
  const row = ([first, ...rest]) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, first),
      rest.map((text) => el("td", {}, text)),
    );
  return el(
    "table",
    { class: "plain" },
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        head.map((text) => el("th", { scope: "col" }, text)),
      ),
    ),
    el("tbody", {}, rows.map(row)),
  );
}

function definitionList(pairs) {
  return el(
    "dl",
    {},
    pairs.map(([term, meaning]) => el("div", {}, el("dt", {}, term), el("dd", {}, meaning))),
  );
}

/** The button that opens the definition of a term. */
function defineButton(term, name = TERMS[term].name) {
  return el(
    "button",
    { type: "button", class: "define", popovertarget: `define-${term}`, "aria-label": `What is ${name}?` },
    "?",
  );
}
