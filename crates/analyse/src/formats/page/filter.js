// The filter of the table of all cases.

/** A text in the form in which words are found: in small letters, with a number and its unit as one word. */
const searchable = (text) =>
  text
    .toLowerCase()
    .replaceAll("\u00a0", " ")
    .replaceAll(/(\d) (?=([kmg]i?)?b\b)/g, "$1");

/** The words by which a case is found: its name, its sizes, its rank, and the columns of words. */
const wordsOf = (c) =>
  searchable(
    [
      nameOf(c),
      sizeText(c.chunk_bytes),
      sizeText(c.body_bytes),
      RANKS[c.rank] ?? "",
      ...COLUMNS.filter(({ isText }) => isText).map((column) => column.text(column.value(c), c)),
    ].join("\n"),
  );

/** Whether a text has a word, or the beginning of a number. "1kib" is not part of "21kib". */
function hasWord(text, word) {
  const isNumber = /^\d/.test(word);
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1))
    if (!isNumber || !/[\d.,]/.test(text[at - 1] ?? "")) return true;
  return false;
}

function filterField(rows) {
  const input = el("input", { type: "search", name: "filter", autocomplete: "off", spellcheck: "false" });
  const status = el("span", { role: "status" });
  const apply = () => {
    const words = searchable(input.value).split(/\s+/).filter(Boolean);
    for (const { c, tr } of rows) {
      const text = wordsOf(c);
      tr.hidden = !words.every((word) => hasWord(text, word));
    }
    const shown = rows.filter(({ tr }) => !tr.hidden).length;
    status.textContent =
      shown === rows.length ? countText(shown, "case") : `${whole(shown)} of ${countText(rows.length, "case")}`;
  };
  input.addEventListener("input", () => {
    apply();
    setState("filter", input.value);
  });
  input.value = stateOf("filter") ?? "";
  apply();
  return el("p", { class: "filter" }, el("label", {}, el("span", {}, "Filter by words"), input), status);
}
