//! What `send` and `fetch` show: progress, then what was measured, or the record.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    cli::RemoteArgs,
    exit::Verdict,
    instruments::Sign,
    record::{EndRecord, FaultKind, Record},
    results,
    size::{gbit_per_s, mib, mib_per_s},
};

/// How often progress is redrawn at most, per second.
const REDRAWS: u8 = 4;

/// A line on stderr while the body moves.
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new(args: &RemoteArgs, size: Option<u64>) -> Self {
        let target = if args.quiet || args.json || !io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(REDRAWS)
        };
        let template = match size {
            Some(_) => "{percent:>3} % {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {msg}",
            None => "{binary_bytes} {binary_bytes_per_sec} {msg}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::with_draw_target(size, target).with_style(style))
    }

    pub(super) fn show(&self, sign: Sign) {
        self.0.set_position(sign.bytes);
        if let Some(rss) = sign.rss_bytes {
            self.0.set_message(format!("RSS {:.1} MiB", mib(rss)));
        }
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// Tells the outcome, and gives the verdict.
pub(super) fn tell(
    args: &RemoteArgs,
    record: &Record,
    far_end: Option<&str>,
    stdout_is_taken: bool,
) -> anyhow::Result<Verdict> {
    if args.json && !stdout_is_taken {
        io::stdout().write_all(results::to_line(record)?.as_bytes())?;
    } else {
        let text = described(record, far_end);
        if stdout_is_taken { eprint!("{text}") } else { io::stdout().write_all(text.as_bytes())? }
    }
    let Some(fault) = &record.error else { return Ok(Verdict::Good) };
    eprintln!("error: {}", fault.message);
    Ok(if fault.kind == FaultKind::Integrity { Verdict::IntegrityFailed } else { Verdict::RunFailed })
}

/// The record in a few lines.
fn described(record: &Record, far_end: Option<&str>) -> String {
    let mut lines = Vec::new();
    if let (Some(rate), Some(elapsed)) = (record.goodput_bytes_per_s, record.elapsed_s) {
        let (size, protocol) = (mib(record.case.total_bytes), &record.case.protocol);
        let (mib, gbit) = (mib_per_s(rate), gbit_per_s(rate));
        lines.push(format!(
            "{size:.1} MiB over {protocol} in {elapsed:.3} s: {mib:.0} MiB/s, {gbit:.2} Gbit/s"
        ));
    }
    if let Some(end) = record.sender.as_ref().or(record.receiver.as_ref()).filter(|end| end.bytes > 0) {
        lines.extend(described_end(end));
    }
    if let Some(far_end) = far_end {
        lines.push(format!("far end: {far_end}"));
    }
    if let Some(integrity) = &record.integrity {
        let verdict = if integrity.matches { "matches" } else { "DIFFERS" };
        lines.push(format!("content: {} {} {verdict}", integrity.algorithm, integrity.received));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn described_end(end: &EndRecord) -> Vec<String> {
    let unknown = || "unknown".to_owned();
    let rss = end.memory.peak_rss_bytes.map_or_else(unknown, |bytes| format!("{:.1} MiB", mib(bytes)));
    let cpu = end.cpu.s_per_gib.map_or_else(unknown, |seconds| format!("{seconds:.2} s per GiB"));
    let mut lines = vec![format!("this end: peak RSS {rss}, CPU {cpu}")];
    if let Some(throughput) = &end.throughput {
        let [p5, p50, p95] =
            [throughput.p5, throughput.p50, throughput.p95].map(|rate| mib_per_s(rate as f64));
        lines.push(format!("throughput: p5 {p5:.0}, median {p50:.0}, p95 {p95:.0} MiB/s"));
    }
    if let Some(latency) = &end.chunk_latency {
        let [p50, p99, max] = [latency.p50, latency.p99, latency.max].map(|ns| ns as f64 / 1000.0);
        lines.push(format!("time per chunk: median {p50:.1}, p99 {p99:.1}, longest {max:.1} µs"));
    }
    lines
}
