//! `cargo xtask many-processes`: the goodput of several processes with several threads each, compared with a prediction
//! from a single process.
//!
//! A round first measures the processor time per GiB of both ends with a single process, which has as many threads as
//! each of the others later. This cost predicts the goodput of all processes together. The round then measures that
//! goodput. A process of one thread would not do: its ends have a core each, and where threads share cores, bytes were
//! seen to cost a third less or more.

use std::{
    process::{Child, ExitCode, Stdio},
    thread::available_parallelism,
};

use analyse::{Merge, Spans};
use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use jiff::Timestamp;
use record::{ByteSize, Protocol, Record};

use crate::study::{
    Longhaul, ProgramOptions, RatioSummary, RecordFile, RoundOptions, Server, Table, finish, mib_per_s,
};

/// Compare the goodput of several processes with what a single process predicts
#[derive(Args)]
pub(crate) struct Arguments {
    /// Sending processes
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    processes: u32,
    /// Threads of each process, and of the server; each carries one connection
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    threads: u32,
    /// Protocols
    #[arg(long, value_name = "LIST", default_value = "h1c,h2c,h1,h2,h3", value_delimiter = ',')]
    protocols: Vec<String>,
    #[command(flatten)]
    rounds: RoundOptions,
    #[command(flatten)]
    program: ProgramOptions,
}

/// The largest difference between measured and predicted goodput, as a share of the prediction.
const TOLERANCE: f64 = 0.15;

/// The bytes of a body.
const SIZE: ByteSize = ByteSize(1 << 30);

const GIB: f64 = (1_u64 << 30) as f64;

/// The seconds of processor time per GiB of body.
#[derive(Clone, Copy, Debug)]
struct Cost {
    sender: f64,
    receiver: f64,
}

/// The processes of a measurement, and the cores that they share.
#[derive(Clone, Copy, Debug)]
struct Fleet {
    cores: f64,
    processes: u32,
    threads: u32,
}

impl Fleet {
    /// Returns the predicted goodput of all processes together, in bytes per second. The prediction assumes that the
    /// cores do no other work, and that a thread uses one core at most.
    fn predicted(self, cost: Cost) -> f64 {
        let threads = f64::from(self.threads);
        let of_cores = self.cores / (cost.sender + cost.receiver);
        let of_server = threads / cost.receiver;
        let of_senders = f64::from(self.processes) * threads / cost.sender;
        GIB * of_cores.min(of_server).min(of_senders)
    }
}

/// The rounds of one protocol.
#[derive(Default)]
struct Rounds {
    costs: Vec<Cost>,
    /// Predicted and measured goodput in bytes per second.
    goodputs: Vec<(f64, f64)>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let longhaul = arguments.program.program()?;
    let folder = arguments.program.folder("many-processes")?;
    let mut file = RecordFile::create_in(&folder)?;
    let cores = available_parallelism().context("an unknown number of cores")?.get() as f64;
    let study = Study {
        longhaul: &longhaul,
        fleet: Fleet { cores, processes: arguments.processes, threads: arguments.threads },
        size: arguments.rounds.size_or(SIZE).to_string(),
    };
    let named = |name: &String| match Protocol::by_name(name) {
        Some(protocol) => Ok((protocol, Rounds::default())),
        None => bail!("'{name}' is not a protocol"),
    };
    let mut all: Vec<(&Protocol, Rounds)> = arguments.protocols.iter().map(named).collect::<Result<_>>()?;
    for round in 1..=arguments.rounds.rounds() {
        eprintln!("round {round} of {}", arguments.rounds.rounds());
        for (protocol, rounds) in &mut all {
            let cost = study.cost(protocol, &mut file).with_context(|| protocol.name)?;
            let measured = study.goodput(protocol, &mut file).with_context(|| protocol.name)?;
            rounds.costs.push(cost);
            rounds.goodputs.push((study.fleet.predicted(cost), measured));
        }
    }
    table(&all).publish(&folder.join("many-processes.tsv"))?;
    eprintln!("records and table: {}", folder.display());
    Ok(if all.iter().all(|(_, rounds)| rounds.agree()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The programs of a study.
struct Study<'a> {
    longhaul: &'a Longhaul,
    fleet: Fleet,
    size: String,
}

impl Study<'_> {
    /// Measures the cost of a single process.
    fn cost(&self, protocol: &Protocol, file: &mut RecordFile) -> Result<Cost> {
        let server = self.server()?;
        let before = server.cpu_s()?;
        let record = finish(self.start(&server, protocol)?)?;
        let receiver = server.cpu_s()? - before;
        file.append(record.to_line()?.as_bytes())?;
        ensure!(record.is_ok(), "the single process failed");
        let gib = record.case.total_bytes() as f64 / GIB;
        let sender = record.sender.and_then(|end| end.cpu.s_per_gib).context("no processor time")?;
        Ok(Cost { sender, receiver: receiver / gib })
    }

    /// Measures the goodput of all processes together, over the time in which all of them run.
    fn goodput(&self, protocol: &Protocol, file: &mut RecordFile) -> Result<f64> {
        let server = self.server()?;
        let started: Vec<Child> =
            (0..self.fleet.processes).map(|_| self.start(&server, protocol)).collect::<Result<_>>()?;
        let records: Vec<Record> = started.into_iter().map(finish).collect::<Result<_>>()?;
        for record in &records {
            file.append(record.to_line()?.as_bytes())?;
        }
        ensure!(records.iter().all(Record::is_ok), "a process failed");
        together(&records)
    }

    /// Starts a server with threads.
    fn server(&self) -> Result<Server> {
        let flags = ["--threads", &self.fleet.threads.to_string()];
        Server::logging(self.longhaul.program(), &flags, std::path::Path::new("/dev/null"))
    }

    /// Starts a process that sends one body on each of its threads.
    fn start(&self, server: &Server, protocol: &Protocol) -> Result<Child> {
        let threads = self.fleet.threads.to_string();
        let flags = ["--size", &self.size, "--connections", &threads, "--threads", &threads];
        let mut command = server.client("send", protocol, "/", &flags);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("cannot start longhaul send")
    }
}

/// Returns the goodput of all senders together in bytes per second, over the time in which all of them ran.
fn together(records: &[Record]) -> Result<f64> {
    let starts = records.iter().map(|record| Ok(record.started_at.parse::<Timestamp>()?.as_microsecond()));
    let starts: Vec<i64> = starts.collect::<Result<_>>()?;
    let mut spans = Spans::default();
    records.iter().zip(&starts).for_each(|(record, start_us)| spans.add(record, *start_us));
    let mut merge = Merge::over(spans);
    records.iter().zip(&starts).for_each(|(record, start_us)| merge.add(record, *start_us));
    let merged = merge.finish();
    let (bytes, seconds) = merged.together().context("the processes did not run at the same time")?;
    Ok(bytes as f64 / seconds)
}

impl Rounds {
    /// Returns whether the median ratio of measured to predicted goodput is within the tolerance.
    fn agree(&self) -> bool {
        let ratio = RatioSummary::of(&self.goodputs);
        ratio.is_some_and(|ratio| (ratio.estimate() - 1.0).abs() <= TOLERANCE)
    }
}

fn table(all: &[(&Protocol, Rounds)]) -> Table {
    let heads = ["protocol", "sender s/GiB", "receiver s/GiB", "predicted MiB/s", "measured MiB/s"];
    let mut table = Table::with_heads(heads.iter().chain(&RatioSummary::HEADS));
    for (protocol, rounds) in all {
        let median = |figures: Vec<f64>| stats::median(&figures);
        let cost = |of: fn(&Cost) -> f64| median(rounds.costs.iter().map(of).collect());
        let goodput = |of: fn(&(f64, f64)) -> f64| median(rounds.goodputs.iter().map(of).collect());
        let text = |figure: Option<f64>, text: fn(f64) -> String| figure.map_or_else(|| "-".into(), text);
        let seconds = |seconds: f64| format!("{seconds:.3}");
        let cells = [
            protocol.name.to_owned(),
            text(cost(|cost| cost.sender), seconds),
            text(cost(|cost| cost.receiver), seconds),
            text(goodput(|goodputs| goodputs.0), mib_per_s),
            text(goodput(|goodputs| goodputs.1), mib_per_s),
        ];
        let ratio = RatioSummary::of(&rounds.goodputs);
        table.push(
            cells.into_iter().chain(ratio.map_or(std::array::from_fn(|_| "-".into()), |ratio| ratio.cells())),
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use record::{Case, EndRecord};

    use super::*;

    #[test]
    fn the_goodput_is_that_of_the_scarcest_resource() {
        let predicted = |cores, processes, threads, sender, receiver| {
            Fleet { cores, processes, threads }.predicted(Cost { sender, receiver }) / GIB
        };
        let close =
            |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
        close(predicted(2.0, 3, 2, 0.2, 0.3), 4.0);
        close(predicted(64.0, 3, 2, 0.2, 0.4), 5.0);
        close(predicted(64.0, 1, 1, 0.5, 0.1), 2.0);
    }

    #[test]
    fn the_common_goodput_is_that_of_the_time_in_which_all_ran() {
        let run = |id: &str, started_at: &str, bytes: u64| {
            let mut record = Record::new(id, Case::new("h2"));
            (record.started_at, record.elapsed_s) = (started_at.into(), Some(10.0));
            let mut end = EndRecord::default();
            end.bytes = bytes;
            record.sender = Some(end);
            record
        };
        let runs = [run("a", "2026-11-28T00:00:00Z", 1000), run("b", "2026-11-28T00:00:02Z", 3000)];
        assert_eq!(together(&runs).unwrap(), 400.0);
        let apart = [run("a", "2026-11-28T00:00:00Z", 1), run("b", "2026-11-28T00:00:20Z", 1)];
        assert!(together(&apart).is_err());
    }

    #[test]
    fn a_prediction_agrees_within_the_tolerance() {
        let rounds = |measured: f64| Rounds { costs: Vec::new(), goodputs: vec![(1e9, measured); 6] };
        assert!(rounds(0.86e9).agree() && rounds(1.14e9).agree());
        assert!(!rounds(0.84e9).agree() && !rounds(1.16e9).agree() && !Rounds::default().agree());
        let protocol = Protocol::by_name("h2").unwrap();
        let mut known = rounds(1.1e9);
        known.costs = vec![Cost { sender: 0.3, receiver: 0.4 }; 6];
        let text = table(&[(protocol, known)]).separated();
        assert!(text.contains("h2\t0.300\t0.400\t954\t1049\t1.100\t"), "{text}");
    }
}
