//! The flags of a measuring session: its rounds, the cores of the ends, and the destination of the records.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use clap::Args;
use record::{IdlePolicy, Order, Purpose, counted};
use run::{Affinity, Plan, Settings};

use crate::expectation::rounded;

use super::{
    names::{Named, named},
    values::{count, duration, interval, percent},
};

#[derive(Debug, Args)]
pub(crate) struct SessionArgs {
    /// Least number of passes over the whole matrix
    #[arg(short, long, value_name = "N", value_parser = count(1..=u32::MAX))]
    pub(crate) rounds: Option<u32>,
    /// Warm-up passes before the first counted one; they leave no record
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) warmup: u32,
    /// Order of the cases in a pass: shuffled anew in each, or fixed
    #[arg(long, value_name = "NAME", default_value = "shuffled", value_parser = order())]
    order: Order,
    /// Add passes until the interval of each median goodput is within this share of the median, such as 2% (for at most
    /// 10m, or --max-time)
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) precision: Option<f64>,
    /// Time limit: start no pass that would exceed it, and no run after it
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) max_time: Option<Duration>,
    /// Address of this machine that the server listens on [default: 127.0.0.1, or ::1 where there is no IPv4]
    #[arg(long, value_name = "ADDRESS")]
    address: Option<IpAddr>,
    /// A core for each thread of each end: auto (if there are two), off, or SENDER:RECEIVER, such as 0:1 or 0,1:2,3
    #[arg(long, value_name = "CORES", default_value = "auto")]
    pub(crate) affinity: Affinity,
    /// Keep idle cores awake (poll, needs /dev/cpu_dma_latency), or let them sleep (sleep)
    #[arg(long, value_name = "NAME", default_value = "poll", value_parser = idle_policy())]
    pub(crate) idle: IdlePolicy,
    /// On a virtual machine, wait up to this time before each run until both cores share a cache [default: 0s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) settle: Option<Duration>,
    /// Abort when no byte has moved for this long
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Count and size the HTTP/1.1 chunks, DATA frames, TLS records and QUIC datagrams that reach the receiver. This takes
    /// processor time: compare such runs only with each other
    #[arg(long)]
    pub(crate) observe_framing: bool,
    /// Name of the runs in their records: runs of one case and label form one series
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
    /// Folder for the results [default: results/UTCTIME-HOST]
    #[arg(short, long, alias = "out", value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Title of the report [default: the command]
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// Also write the results as CSV: cases.csv has a line for each case and end
    #[arg(long)]
    pub(crate) csv: bool,
    /// Print the records on stdout and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// Show no live view
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print a line on stderr for each interval of this length in a run: bytes and goodput at the receiver
    #[arg(short, long, value_name = "TIME", value_parser = interval, conflicts_with = "quiet")]
    pub(crate) interval: Option<Duration>,
    /// Print the cases, their bytes and an estimate of the time, and stop
    #[arg(long)]
    pub(crate) list: bool,
    /// Log to stderr what the connections of both ends do
    #[arg(short, long)]
    verbose: bool,
    /// The folder of the session that continues (`bench --resume`).
    #[arg(skip)]
    pub(crate) continued: Option<PathBuf>,
}

impl SessionArgs {
    /// Takes the flags that decide what is shown, and the time limit, from another command line.
    pub(super) fn shown_as(&mut self, flags: &Self) {
        (self.quiet, self.verbose, self.json) = (flags.quiet, flags.verbose, flags.json);
        self.csv |= flags.csv;
        self.title = flags.title.clone().or(self.title.take());
        self.max_time = flags.max_time.or(self.max_time);
    }

    /// Returns a plan of `rounds` rounds. `left` is the time that remains for the session, if its time is limited.
    /// Controls need neither warm-up nor precision.
    pub(crate) fn plan(&self, rounds: u32, purpose: Purpose, left: Option<Duration>) -> Plan {
        let is_measured = purpose == Purpose::Measure;
        let mut plan = Plan::of(rounds).in_order(self.order);
        if is_measured {
            plan = plan.after_warmup(self.warmup);
        }
        if let Some(left) = left {
            plan = plan.within(left);
        }
        match self.precision.filter(|_| is_measured) {
            Some(precision) => plan.until_precise(precision),
            None => plan,
        }
    }

    /// Returns what decides the number of runs beside the number of rounds, as a part of a sentence.
    pub(crate) fn listed(&self) -> String {
        let mut parts = String::new();
        if self.warmup > 0 {
            parts += &format!(", with {} of warm-up", counted(self.warmup as usize, "round"));
        }
        let limit = self.max_time.or(self.precision.map(|_| Plan::LONGEST)).map(rounded);
        if let Some(precision) = self.precision {
            // Percentages are decimal, and shares are not: 0.07 * 100.0 is more than 7.
            let percent = (1e4 * precision).round() / 100.0;
            parts += &format!(", and more until intervals are within {percent} %");
        }
        if let Some(limit) = limit {
            parts += &format!(", but no run after {limit}");
        }
        parts
    }

    /// Returns whether a flag names the address of the server.
    pub(crate) fn names_address(&self) -> bool {
        self.address.is_some()
    }

    /// Returns whether a flag names cores.
    pub(crate) fn names_cores(&self) -> bool {
        matches!(self.affinity, Affinity::Cores(_))
    }

    /// Returns the settings of both ends.
    pub(crate) fn settings(&self) -> Settings {
        let settings = Settings::new(self.timeout).on_address(self.address);
        let settings = if self.verbose { settings.logging() } else { settings };
        if self.observe_framing { settings.observing_framing() } else { settings }
    }
}

fn order() -> impl clap::builder::TypedValueParser<Value = Order> {
    use clap::builder::TypedValueParser as _;
    named(Order::ALL.map(|order| (order.name(), order))).map(|Named(_, order)| order)
}

fn idle_policy() -> impl clap::builder::TypedValueParser<Value = IdlePolicy> {
    use clap::builder::TypedValueParser as _;
    named([IdlePolicy::Poll, IdlePolicy::Sleep].map(|policy| (policy.name(), policy)))
        .map(|Named(_, policy)| policy)
}
