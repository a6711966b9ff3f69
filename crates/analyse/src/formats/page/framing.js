// The table of the chunks, frames, records and datagrams that reached receivers.

/** The section with the pieces in which bodies arrived; null if no case observed them. */
function framingTable(cases) {
  const rows = cases.flatMap((c) =>
    c.framing.map(({ kind, count, min, p50, max, body_per_piece }) => [
      nameOf(c),
      kind,
      ...[count, min, p50, max, body_per_piece].map(whole),
    ]),
  );
  if (rows.length === 0) return null;
  return section(
    "framing",
    "What arrived on the wire",
    el("p", {}, TERMS.framing.meaning),
    savedTable("what arrived on the wire", "framing", ["case", "pieces", "count", "smallest", "median", "largest", "body/piece"], rows),
  );
}
