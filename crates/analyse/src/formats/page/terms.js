// Definitions of the page's terms, and the limits of its figures.

const CARRIERS = { tcp: "cleartext TCP", tls: "TLS 1.3", quic: "QUIC" };

/** Groups of protocols as [key, protocols]; protocols without a key are left out. */
function groupedBy(key) {
  const groups = new Map();
  for (const protocol of data.protocols) {
    const value = key(protocol);
    if (value != null) groups.set(value, [...(groups.get(value) ?? []), protocol]);
  }
  return [...groups];
}

/** The composition of every protocol, in words. */
function protocolsText() {
  const http = groupedBy((protocol) => protocol.http && protocol.carrier).map(
    ([carrier, protocols]) =>
      `Over ${CARRIERS[carrier] ?? carrier}: ${protocols.map(({ name, http }) => `${name} is HTTP/${http}`).join(", ")}.`,
  );
  const withoutHttp = data.protocols.filter((protocol) => protocol.http == null);
  const baselines = withoutHttp.filter((protocol) => !protocol.is_ceiling).map(({ name }) => name);
  const ceilings = withoutHttp.filter((protocol) => protocol.is_ceiling).map(({ name }) => name);
  const [verb, noun] = baselines.length > 1 ? ["are", "baselines"] : ["is", "a baseline"];
  const without = `${listText(baselines)} ${verb} ${noun}: the same loop and the same bytes without HTTP.`;
  const most = `${listText(ceilings)} ${ceilings.length > 1 ? "are ceilings" : "is a ceiling"}: the most that the carrier gives here, in system calls that do not depend on the chunk.`;
  return [...http, baselines.length > 0 && without, ceilings.length > 0 && most].filter(Boolean).join(" ");
}

/** The baseline of every protocol with HTTP, in words: "tcp for h1c and h2c, quic for h3". */
function baselinesText() {
  return groupedBy(({ baseline }) => baseline)
    .map(([baseline, protocols]) => `${baseline} for ${listText(protocols.map(({ name }) => name))}`)
    .join(", ");
}

const TERMS = {
  case: {
    name: "a case",
    meaning: `Protocol, direction (up: the client sends), chunk size and body size; then every axis that is not at its default. ${protocolsText()}`,
  },
  goodput: {
    name: "goodput",
    meaning:
      "Body bytes divided by the client’s time from handing over the request (after the handshake) to the confirmed end. An upload ends with the receipt, a download with the end of the body and the sink finished. The page shows the median of the rounds. 1 MiB/s is 1,048,576 bytes a second, 1 Gbit/s is 1,000,000,000 bits a second. Fastest and slowest mark the highest and the lowest goodput among the cases with HTTP that move the same bodies and ended well, if its interval lies apart from all others. They differ in protocol, chunk size and limits alone; libraries with their own defaults are ranked apart.",
  },
  calm: {
    name: "the goodput without disturbed runs",
    meaning:
      "The median goodput of the runs that nothing but the case disturbed: no end waited long for its core, nothing took the core away, no quota was used up, no packet was sent again. The rule is fixed and does not look at goodput.",
  },
  tuning: {
    name: "stock beside tuned",
    meaning:
      "Stock is each library as it comes (--profile stock), without longhaul’s limits, layers and busy-polling; the other rows leave out one thing each. The last columns are the goodput of the row over that of the tuned one, round by round, with its range.",
  },
  framing: {
    name: "the framing",
    meaning:
      "The pieces in which the body reached the receiver of the run with the median goodput (--observe-framing): chunks of HTTP/1.1 or DATA frames, and the TLS records or datagrams that carry them. Sizes are bytes. The last column is the body divided by the number of pieces.",
  },
  base: {
    name: "of a plain loop",
    meaning: `Goodput divided by that of a plain loop, which moves the same bytes without HTTP, a chunk at a time${baselinesText() && ` (${baselinesText()})`}. The page shows the median of the rounds’ ratios, with its range. Over 1.00, the HTTP library writes in larger pieces than the loop.`,
  },
  range: {
    name: "the range",
    meaning:
      "In brackets, the interval that holds the true median with a confidence of 95 %. Of fewer than six rounds, the least and the most. In a chart, an arrow at the edge stands for a range that goes on beyond it.",
  },
  most: {
    name: "of ceiling",
    meaning:
      "Goodput divided by that of the ceiling, the most that the carrier gives on this machine, whatever the chunk. The page shows the median of the rounds’ ratios, with its range.",
  },
  rss: {
    name: "peak RSS",
    meaning:
      "The most memory that the end’s own fresh process held (VmHWM at its end, or the highest sample). The page shows the median of the rounds. It includes the program’s own pages, about 7 MiB.",
  },
  allowance: {
    name: "the allowance",
    meaning: "RSS before the first byte of body plus the budget, which is computed from the limits before the run.",
  },
  budget: {
    name: "budget use",
    meaning:
      "Growth (peak RSS minus RSS before the first byte of body) divided by the budget, at the end that used more of its budget. More than 100 % is a breach.",
  },
  ceiling: { name: "a ceiling", meaning: "The most peak RSS that a file of ceilings allows (longhaul check)." },
  cpu: {
    name: "CPU s/GiB",
    meaning: "User and system time of the end’s process per GiB of body, without the time that it busy-polled. The page shows the median of the rounds.",
  },
  limit: {
    name: "limited by",
    meaning:
      "The cause that held goodput back in most runs, with the figures that speak for it: an application that waits, a processor, a window of the peer, the buffer or the congestion window of the sender, or the rate of the path. Judged by fixed rules from the record alone.",
  },
  throughput: {
    name: "a throughput percentile",
    meaning:
      "The receiver’s rate over each window of body; a window is the larger of one chunk and 1 MiB, and weighs as much as it lasted. For 1 % of the time the rate was p1 or lower, for 95 % of it p95 or lower. A dot stands for one round; a symbol for all rounds together, or for the round of median goodput if the records have no histograms. Records written before 2026-11-27 count all windows alike.",
  },
  latency: {
    name: "the wait of the sender",
    meaning:
      "The sender’s time from handing over a chunk to being asked for the next: backpressure, not the time of delivery. 99 % of the chunks waited p99 or less. A dot stands for one round; a symbol for all rounds together, or for the round of median goodput if the records have no histograms. Of small chunks, one in many is timed.",
  },
  slope: {
    name: "the slope of memory",
    meaning:
      "The growth of memory per GiB of body, with its interval of 99 %: of the live heap within runs of the largest body, from a quarter of the body on, or of anonymous RSS if the heap was not counted. The upper end of the interval is the bound. CONSTANT: the interval is within the limit, RSS agrees, and the growth is within the budget. Controls grow on purpose. The axis is linear within one KiB per GiB around zero, and logarithmic beyond.",
  },
  matrix: {
    name: "the matrix",
    meaning:
      "The median of each protocol at each chunk size. The shade is the share of the highest value in the matrix. Ceilings have a chunk size of their own, so they are left out.",
  },
  timeline: {
    name: "the timeline",
    meaning:
      "Samples of the run with the median goodput. Anonymous RSS is the part of RSS that no file backs: heap and stacks. Goodput here is the body bytes between two consecutive samples, divided by the time between them.",
  },
  socket: { name: "socket memory", meaning: "The kernel’s memory for a socket (SO_MEMINFO). It is not part of RSS." },
  runs: { name: "a run", meaning: "One transfer with fresh processes at both ends. A case has one run in each round." },
  verdict: {
    name: "the verdict",
    meaning: Object.entries(VERDICTS)
      .map(([kind, { meaning }]) => `${upperFirst(kind.replaceAll("_", " "))}: ${meaning}.`)
      .join(" "),
  },
};

/** True if both ends of every case ran on one machine, with nothing but loopback between them. */
const IS_LOOPBACK =
  data.machines.every((machine) => machine.peer_host == null) &&
  data.cases.every((c) => c.network == null && (c.peer !== null || c.failed === c.runs || (c.sender && c.receiver)));

const READING = [
  ...(IS_LOOPBACK
    ? [
        "Both ends ran on the machine named above and reached each other over loopback: they shared its cores, no network lay between them, and the kernel may hand over segments far larger than a network’s packets. The figures of a network can be lower or higher.",
      ]
    : []),
  "Compare ratios within one set of records. Absolute figures of different days or machines drift by a factor of two.",
  "Peak RSS does not count the memory that the kernel holds for sockets. Percentiles are over all rounds, or of the run with the median goodput if the records have no histograms. Timelines are those of the run with the median goodput.",
];

function popovers() {
  return Object.entries(TERMS).map(([term, { name, meaning }]) =>
    el(
      "div",
      { id: `define-${term}`, class: "definition", popover: "auto" },
      el("strong", {}, upperFirst(name)),
      el("p", {}, meaning),
    ),
  );
}

function definitions() {
  return section(
    "definitions",
    "Definitions",
    definitionList(Object.values(TERMS).map(({ name, meaning }) => [upperFirst(name), meaning])),
  );
}
