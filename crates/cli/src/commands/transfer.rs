//! The common part of `send` and `fetch`: the transfer with its progress, then the figures or the record.

use std::{iter, time::Duration};

use analyse::Verdict;
use anyhow::Context as _;
use client::{Client, HandshakeKind, Options, Target, Transfer, TransferReport};
use jiff::Timestamp;
use record::{
    ByteSize, Case, EndRecord, FaultKind, H2_WINDOW, Record, Redirects, Results, Resumption, mib, mib_per_s,
    speed, three_digits,
};
use run::{Interruption, Threads, command_line};

use super::{progress::Progress, rounds};
use crate::{
    exit::Usage,
    flags::RemoteArgs,
    output::{note, print, stderr_line, stderr_text},
    program::this_build,
};

/// The use of standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stdout {
    /// Standard output carries the figures or the record.
    Report,
    /// Standard output carries the body, and stderr the figures.
    Body,
}

/// The time that the connections of an interrupted program have to tell their peers that they end.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);

/// Makes a transfer, and reports on it. Ctrl-C, SIGTERM and SIGHUP cancel it.
pub(super) fn transfer(
    args: &RemoteArgs,
    options: Options,
    target: &Target,
    transfer: impl Into<Transfer>,
    stdout: Stdout,
) -> anyhow::Result<Verdict> {
    let transfer = transfer.into();
    if args.json && stdout == Stdout::Body {
        return Err(Usage::new(
            "standard output has the body of -o -, and no room for the record of --json; use --results DIR",
        )
        .into());
    }
    args.handshake.check_request(transfer.direction(), &options.request)?;
    args.start_at.map_or(Ok(()), |start| start.check(Timestamp::now()))?;
    if rounds::are_asked(args) {
        return rounds::run(args);
    }
    let round = rounds::record_file(args);
    if round.is_some() {
        process::end_with_parent();
    }
    let folder = args.results.as_deref().filter(|_| round.is_none());
    let results = folder.map(Results::create).transpose()?;
    let (threads, shared) =
        Threads::start_anywhere(args.load.threads()).context("cannot start the threads")?;
    shared.iter().for_each(|shared| note(shared));
    let client = Client::new(options, this_build()).with_command(command_line()).over(threads);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let transferred = runtime.block_on(run(args, &client, target, transfer));
    // A read of standard input cannot be cancelled: do not wait for it.
    runtime.shutdown_background();
    let Some(transferred) = transferred? else { return Ok(Verdict::Interrupted) };
    let written = results.map_or(Ok(()), |mut results| results.write(&transferred.record));
    if let Some(file) = round {
        rounds::hand_over(&transferred.record, &file)?;
        return Ok(ended(&transferred.record));
    }
    let verdict = report(args, &transferred, stdout)?;
    written?;
    Ok(verdict)
}

/// Makes a transfer at the time of `--start-at`, and shows its progress. Returns `None` if a signal interrupts it.
async fn run(
    args: &RemoteArgs,
    client: &Client,
    target: &Target,
    transfer: Transfer,
) -> anyhow::Result<Option<TransferReport>> {
    let mut interruption = Interruption::catch()?;
    if let Some(start) = args.start_at {
        if !args.quiet && !args.json {
            start.announce();
        }
        tokio::select! {
            waited = start.wait() => waited?,
            () = interruption.wait() => return Ok(None),
        }
    }
    let bodies = args.load.load().bodies();
    let size = transfer.size().map(|size| ByteSize(size.0.saturating_mul(bodies)));
    let progress = Progress::new(args, size);
    let transferred = tokio::select! {
        report = client.run(target, transfer, |heartbeat| progress.show(heartbeat)) => Some(report),
        () = interruption.wait() => None,
    };
    progress.finish();
    if transferred.is_none() {
        transport::quic_closed(FAREWELL).await;
    }
    Ok(transferred)
}

/// Prints the figures or the record, and returns the verdict.
fn report(args: &RemoteArgs, transferred: &TransferReport, stdout: Stdout) -> anyhow::Result<Verdict> {
    let record = &transferred.record;
    if let Some(text) = record.resumption.and_then(|resumption| shortfall(args.handshake.kind(), resumption))
    {
        note(text);
    }
    match (stdout, args.json) {
        (Stdout::Report, true) => print(&record.to_line()?)?,
        (Stdout::Report, false) => print(&described(transferred))?,
        (Stdout::Body, _) => stderr_text(format_args!("{}", described(transferred))),
    }
    Ok(ended(record))
}

/// Reports the error of a record on stderr, and returns the verdict.
fn ended(record: &Record) -> Verdict {
    if let Some(fault) = &record.error {
        stderr_line(format_args!("error: {}", fault.message));
    }
    verdict(record)
}

/// Returns the verdict on a transfer.
pub(super) fn verdict(record: &Record) -> Verdict {
    match &record.error {
        None => Verdict::Good,
        Some(fault) if fault.kind == FaultKind::Integrity => Verdict::IntegrityFailed,
        Some(_) => Verdict::RunFailed,
    }
}

/// Returns the size, protocol, time and goodput of a transfer in a line; empty without a goodput.
pub(super) fn goodput_line(record: &Record) -> String {
    let Some((rate, elapsed)) = record.goodput_bytes_per_s.zip(record.elapsed_s) else {
        return String::new();
    };
    let (size, protocol) = (size(record.case.total_bytes()), &record.case.protocol);
    format!("{size} over {protocol} in {elapsed:.3} s: {}\n", speed(rate))
}

/// Returns the part of the requested handshake that the server did not support; `None` if the handshake was as
/// requested.
fn shortfall(asked: HandshakeKind, resumption: Resumption) -> Option<&'static str> {
    match resumption {
        Resumption { session_received: false, .. } => {
            Some("the server gave no TLS session to resume; the handshake was a full one")
        }
        Resumption { resumed: Some(false), .. } => {
            Some("the server did not resume the TLS session; the handshake was a full one")
        }
        Resumption { early_data_accepted, .. }
            if asked == HandshakeKind::EarlyData && early_data_accepted != Some(true) =>
        {
            Some("the server did not accept early data; the request went out after the handshake")
        }
        _ => None,
    }
}

/// Formats the figures of a record, in a few lines.
fn described(TransferReport { record, receipt, resumed_at, .. }: &TransferReport) -> String {
    let mut lines = Vec::new();
    if let Some(limit) = &record.limited_by {
        lines.push(format!("limited by {limit}"));
    }
    lines.extend(opened_window(record));
    lines.extend(bodies_line(record));
    lines.extend(handshake_line(record));
    if let Some(tries) = record.tries.filter(|tries| *tries > 1) {
        lines.push(format!("{tries} tries; all figures are those of the last"));
    }
    if let Some(held) = resumed_at {
        lines.push(format!("resumed after {}, which the server had", size(*held)));
    }
    if let Some(Redirects { count, url }) = &record.redirects {
        lines.push(format!("answered after {count} redirects by {url}"));
    }
    if let Some(end) = record.sender.as_ref().or(record.receiver.as_ref()).filter(|end| end.bytes > 0) {
        lines.extend(described_end(end));
    }
    if let Some(receipt) = receipt {
        let saved = receipt.saved.as_ref().map(|name| format!(", saved as {name}")).unwrap_or_default();
        lines.push(format!("far end: {} in {:.2} s{saved}", size(receipt.bytes), receipt.elapsed_s));
    }
    if let Some(integrity) = &record.integrity {
        let verdict = if integrity.matches { "matches" } else { "DIFFERS" };
        lines.push(format!("content: {} {} {verdict}", integrity.algorithm, integrity.received));
    }
    let lines = lines.iter().map(|line| format!("{line}\n"));
    iter::once(goodput_line(record)).chain(lines).collect()
}

/// Returns the rates of concurrent bodies; `None` for a single body.
fn bodies_line(record: &Record) -> Option<String> {
    let bodies = record.bodies.as_ref()?;
    let [least, median, most] =
        [bodies.least, bodies.median, bodies.most].map(|rate| three_digits(mib_per_s(rate)));
    let (count, Case { connections, streams, .. }) = (bodies.count, &record.case);
    Some(format!(
        "{count} bodies ({connections} connections, {streams} streams each): slowest {least}, median {median}, \
         fastest {most} MiB/s, fairness {:.2}",
        bodies.jain
    ))
}

/// Returns the times of the full handshake and of the next one; `None` if no session was to be resumed.
fn handshake_line(record: &Record) -> Option<String> {
    let Resumption { full_handshake_s, resumed, early_data_accepted, .. } = record.resumption?;
    let kind = match (resumed, early_data_accepted) {
        (Some(true), Some(true)) => "before the request in early data of a resumed one",
        (Some(true), _) => "resumed",
        _ => "not resumed",
    };
    let [full, next] = [full_handshake_s, record.handshake_s?].map(|seconds| 1000.0 * seconds);
    Some(format!("handshakes: {full:.2} ms in full, then {next:.2} ms {kind}"))
}

/// Returns the last window of HTTP/2 that this end has granted; `None` unless the window adapts.
fn opened_window(record: &Record) -> Option<String> {
    let bound = record.limits.auto_bound(&H2_WINDOW)?;
    let opened = record.receiver.as_ref()?.receive_window_bytes?;
    Some(format!("HTTP/2 window: opened to {} of at most {}", size(opened), size(bound)))
}

/// Formats a size: a round size as a user writes it, and any other size in MiB.
fn size(bytes: u64) -> String {
    let text = ByteSize(bytes).to_string();
    match text.split_at(text.trim_end_matches(char::is_alphabetic).len()) {
        (number, unit) if number.len() <= ROUND => format!("{number} {unit}"),
        _ => format!("{:.1} MiB", mib(bytes)),
    }
}

/// The most digits of a round size.
const ROUND: usize = 4;

fn described_end(end: &EndRecord) -> Vec<String> {
    let unknown = || "unknown".to_owned();
    let rss = end.memory.peak_rss_bytes.map_or_else(unknown, |bytes| format!("{:.1} MiB", mib(bytes)));
    let cpu = end.cpu.s_per_gib.map_or_else(unknown, |seconds| format!("{seconds:.2} s per GiB"));
    let mut lines = vec![format!("this end: peak RSS {rss}, CPU {cpu}")];
    if let Some(throughput) = &end.throughput {
        let [p5, p50, p95] =
            [throughput.p5, throughput.p50, throughput.p95].map(|rate| three_digits(mib_per_s(rate as f64)));
        lines.push(format!("throughput: p5 {p5}, median {p50}, p95 {p95} MiB/s"));
    }
    if let Some(wait) = end.pull_wait() {
        let [p50, p99, max] = [wait.p50, wait.p99, wait.max].map(|ns| ns as f64 / 1000.0);
        lines.push(format!(
            "wait of the sender per chunk: median {p50:.1}, p99 {p99:.1}, longest {max:.1} µs"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_size_is_printed_as_it_is_asked_for() {
        let sizes = [0, 48 << 20, 1 << 30, 2_000_000_000, 734_003_201].map(size);
        assert_eq!(sizes, ["0 B", "48 MiB", "1 GiB", "2 GB", "700.0 MiB"]);
    }
}
