// Facts of records.jsonl that a page must show, derived without the page's data.

import { readFileSync } from "node:fs";

const ENDS = ["sender", "receiver"];
const TRANSFER = "direction chunk_bytes body_bytes connections streams payload sink reader_rate_bytes_per_s".split(" ");

const distinct = (values) => [...new Set(values)];
const isGood = (record) => record.error == null && record.goodput_bytes_per_s > 0;

export function readRecords(path) {
  const lines = readFileSync(path, "utf8").split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line));
}

/** The protocols in order of appearance: `{ name }`, with the facts that the records state. */
export function protocolsOf(records) {
  const names = distinct(records.map((record) => record.case.protocol));
  const stated = (name) => records.find((record) => record.case.protocol === name && record.protocol)?.protocol;
  return names.map((name) => stated(name) ?? { name });
}

/** The runs and the failed runs of each case, by the name of the case. */
export function runsOf(records) {
  const cases = {};
  for (const { case: c, error } of records) {
    const counted = (cases[c.name] ??= { runs: 0, failed: 0 });
    counted.runs += 1;
    counted.failed += error == null ? 0 : 1;
  }
  return cases;
}

/** Whether the round of a run also has a good run of the baseline, with the same transfer. */
function hasBaseline(record, records, baseline) {
  const isSame = (other) =>
    other.run_id === record.run_id &&
    other.round === record.round &&
    TRANSFER.every((field) => other.case[field] === record.case[field]);
  return records.some((other) => other.case.protocol === baseline && isGood(other) && isSame(other));
}

/** The protocols that must appear in each figure that compares protocols, by the name of the figure. */
export function comparedIn(all) {
  const records = all.filter((record) => record.purpose !== "control");
  const protocols = protocolsOf(records);
  const having = (isShown) =>
    protocols.filter((protocol) => records.some((r) => r.case.protocol === protocol.name && isShown(r, protocol)));
  const runs = runsOf(records);
  // A distribution is that of one run of a case, so a case is sure to have it only if all of its runs have it.
  const everyRun = (value) => {
    const counts = {};
    for (const record of records) counts[record.case.name] = (counts[record.case.name] ?? 0) + (value(record) ? 1 : 0);
    return having(({ case: { name } }) => counts[name] === runs[name].runs);
  };
  const directed = (direction, isShown) =>
    having((r, p) => r.case.direction === direction && isGood(r) && isShown(r, p));
  const goodput = (direction) => directed(direction, () => true);
  const tax = (direction) => directed(direction, (r, { baseline }) => baseline && hasBaseline(r, records, baseline));
  const figures = {
    "goodput-up": goodput("up"),
    "goodput-down": goodput("down"),
    "tax-up": tax("up"),
    "tax-down": tax("down"),
    cpu: having((record) => ENDS.some((end) => record[end]?.cpu.s_per_gib != null)),
    throughput: everyRun((record) => record.receiver?.throughput),
    latency: everyRun((record) => record.sender?.chunk_latency),
  };
  return Object.fromEntries(Object.entries(figures).map(([name, shown]) => [name, shown.map((p) => p.name)]));
}
