// What the page's words mean, and how far they reach.

const TERMS = {
  case: {
    name: "a case",
    meaning:
      "Protocol, direction (up: the client sends), chunk size and body size; then every axis that is not at its default. A c after h1 or h2 stands for cleartext; h1, h2 and tls are over TLS 1.3, h3 is over QUIC. tcp, tls and quic are baselines: the same loop and the same bytes without HTTP.",
  },
  goodput: {
    name: "goodput",
    meaning:
      "Body bytes over the client’s time from handing over the request (after the handshake) to the confirmed end: for an upload the receipt, for a download the end of the body with the sink finished. The median of the rounds. 1 MiB/s is 1,048,576 bytes a second, 1 Gbit/s is 1,000,000,000 bits a second.",
  },
  base: {
    name: "of base",
    meaning:
      "Goodput over that of the same bytes without HTTP (tcp for h1c and h2c, tls for h1 and h2, quic for h3). The median of the rounds’ ratios. What is missing to 1.00 is the HTTP tax.",
  },
  rss: {
    name: "peak RSS",
    meaning:
      "The most memory that the end’s own fresh process held (VmHWM at its end), the highest of the rounds. It includes the program’s own pages, about 7 MiB.",
  },
  allowance: {
    name: "the allowance",
    meaning: "RSS before the first byte of body plus the budget, which is computed from the limits before the run.",
  },
  budget: {
    name: "budget use",
    meaning:
      "Growth (peak RSS less RSS before the first byte of body) over the budget, of the end that used more of its budget. Over 100 % is a breach.",
  },
  ceiling: { name: "a ceiling", meaning: "What a file of ceilings allows (longhaul check)." },
  cpu: {
    name: "CPU s/GiB",
    meaning: "User and system time of the end’s process per GiB of body. The median of the rounds.",
  },
  throughput: {
    name: "a throughput percentile",
    meaning:
      "The receiver’s rate over each window of body, a window being the larger of one chunk and 1 MiB: 1 % of the windows were at p1 or slower, 95 % at p95 or slower.",
  },
  latency: {
    name: "chunk latency",
    meaning:
      "The sender’s time from handing over a chunk to being asked for the next. 99 % of the chunks took p99 or less.",
  },
  timeline: {
    name: "the timeline",
    meaning:
      "Samples of one run, the one with the median goodput. Anonymous RSS is the part of RSS that is not of a file: heap and stacks. Goodput here is the difference of the body bytes between two neighbouring samples.",
  },
  socket: { name: "socket memory", meaning: "What the kernel holds for a socket (SO_MEMINFO). It is not part of RSS." },
  runs: { name: "a run", meaning: "One transfer with fresh processes at both ends. A case has one run in each round." },
  verdict: {
    name: "the verdict",
    meaning:
      "ok: every run ended well. failed: a run did not end well. over budget: an end took more memory than its allowance. over ceiling: it took more than a file of ceilings allows. control: a case of longhaul prove that grows on purpose. wrong bytes: the body that arrived was not the one sent.",
  },
};

const READING = [
  "Both ends ran on the machine named above and reached each other over loopback: they shared its cores, no network lay between them, and the kernel may hand over segments far larger than a network’s packets. A network’s figures can be lower or higher. Compare ratios within one set of records, not absolute figures of different days or machines: those drift by a factor of two.",
  "Peak RSS does not count the memory that the kernel holds for sockets. Percentiles and timelines are those of one run, the one with the median goodput.",
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
