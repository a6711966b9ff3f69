//! CSV, a line a run, for spreadsheets and data frames.

use anyhow::Context as _;

use super::{Render, Set};
use crate::record::{EndRecord, Record};

/// `records.csv`.
pub(super) struct Csv;

impl Render for Csv {
    fn file(&self) -> &'static str {
        "records.csv"
    }

    fn render(&self, set: &Set) -> anyhow::Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let ends = ["sender", "receiver"].into_iter();
        let of_ends = ends.flat_map(|end| END.iter().map(move |(name, _)| format!("{end}_{name}")));
        writer.write_record(RUN.iter().map(|(name, _)| (*name).to_owned()).chain(of_ends))?;
        for record in set.records {
            writer.write_record(cells(record))?;
        }
        let bytes = writer.into_inner().context("the lines stay in memory")?;
        Ok(String::from_utf8(bytes)?)
    }
}

/// What could not be taken is an empty cell.
fn cells(record: &Record) -> impl Iterator<Item = String> {
    let run = RUN.iter().map(|(_, cell)| cell(record));
    let ends = [&record.sender, &record.receiver].into_iter();
    let of_ends = ends.flat_map(|end| END.iter().map(move |(_, cell)| end.as_ref().and_then(cell)));
    run.chain(of_ends).map(Option::unwrap_or_default)
}

fn text(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}

fn number(value: Option<impl ToString>) -> Option<String> {
    value.map(|value| value.to_string())
}

type Column<T> = (&'static str, fn(&T) -> Option<String>);

const RUN: [Column<Record>; 27] = [
    ("case", |r| text(&r.case.name)),
    ("protocol", |r| text(&r.case.protocol)),
    ("direction", |r| text(r.case.direction)),
    ("chunk_bytes", |r| text(r.case.chunk_bytes)),
    ("body_bytes", |r| text(r.case.body_bytes)),
    ("total_bytes", |r| text(r.case.total_bytes)),
    ("payload", |r| text(&r.case.payload)),
    ("sink", |r| text(&r.case.sink)),
    ("connections", |r| text(r.case.connections)),
    ("streams", |r| text(r.case.streams)),
    ("reader_rate_bytes_per_s", |r| number(r.case.reader_rate_bytes_per_s)),
    ("limit_rate_bytes_per_s", |r| number(r.case.limit_rate_bytes_per_s)),
    ("run_id", |r| text(&r.run_id)),
    ("round", |r| text(r.round)),
    ("started_at", |r| text(&r.started_at)),
    ("outcome", |r| text(if r.error.is_none() { "ok" } else { "error" })),
    ("error", |r| r.error.as_ref().map(|fault| fault.message.clone())),
    ("elapsed_s", |r| number(r.elapsed_s)),
    ("goodput_bytes_per_s", |r| number(r.goodput_bytes_per_s)),
    ("handshake_s", |r| number(r.handshake_s)),
    ("first_byte_s", |r| number(r.first_byte_s)),
    ("digests_match", |r| r.integrity.as_ref().map(|integrity| integrity.matches.to_string())),
    ("host", |r| r.host.name.clone()),
    ("cpu", |r| r.host.cpu.clone()),
    ("kernel", |r| r.host.kernel.clone()),
    ("version", |r| text(&r.build.version)),
    ("commit", |r| r.build.commit.clone()),
];

const END: [Column<EndRecord>; 20] = [
    ("bytes", |e| text(e.bytes)),
    ("baseline_rss_bytes", |e| number(e.memory.baseline_rss_bytes)),
    ("peak_rss_bytes", |e| number(e.memory.peak_rss_bytes)),
    ("peak_anon_bytes", |e| number(e.memory.peak_anon_bytes)),
    ("budget_bytes", |e| number(e.memory.budget_bytes)),
    ("within_budget", |e| number(e.memory.within_budget)),
    ("socket_peak_bytes", |e| number(e.memory.socket_peak_bytes)),
    ("cpu_user_s", |e| number(e.cpu.user_s)),
    ("cpu_system_s", |e| number(e.cpu.system_s)),
    ("cpu_s_per_gib", |e| number(e.cpu.s_per_gib)),
    ("minor_faults", |e| e.faults.as_ref().map(|faults| faults.minor.to_string())),
    ("voluntary_switches", |e| e.context_switches.as_ref().map(|switches| switches.voluntary.to_string())),
    ("throughput_p1_bytes_per_s", |e| e.throughput.as_ref().map(|t| t.p1.to_string())),
    ("throughput_p5_bytes_per_s", |e| e.throughput.as_ref().map(|t| t.p5.to_string())),
    ("throughput_p50_bytes_per_s", |e| e.throughput.as_ref().map(|t| t.p50.to_string())),
    ("throughput_p95_bytes_per_s", |e| e.throughput.as_ref().map(|t| t.p95.to_string())),
    ("chunk_latency_p50_ns", |e| e.chunk_latency.as_ref().map(|l| l.p50.to_string())),
    ("chunk_latency_p99_ns", |e| e.chunk_latency.as_ref().map(|l| l.p99.to_string())),
    ("chunk_latency_p999_ns", |e| e.chunk_latency.as_ref().map(|l| l.p999.to_string())),
    ("chunk_latency_max_ns", |e| e.chunk_latency.as_ref().map(|l| l.max.to_string())),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::bad_day;

    #[test]
    fn a_reader_finds_every_run_by_its_column_and_gaps_stay_empty() {
        let records = bad_day();
        let text = Csv.render(&Set::of("A run", &records, None)).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let heads = reader.headers().unwrap().clone();
        let lines: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let cell = |line: usize, name: &str| {
            lines[line].get(heads.iter().position(|head| head == name).unwrap()).unwrap().to_owned()
        };
        assert_eq!(lines.len(), records.len());
        assert_eq!(cell(0, "case"), records[0].case.name);
        assert_eq!(cell(0, "sender_peak_rss_bytes"), (8 << 20).to_string());
        assert_eq!(cell(0, "sender_cpu_user_s"), "");
        let failed = records.iter().position(|record| record.error.is_some()).unwrap();
        assert_eq!(
            (cell(failed, "outcome"), cell(failed, "error")),
            ("error".into(), "it said \"no\", twice".into())
        );
        assert_eq!(cell(failed, "receiver_bytes"), "");
    }
}
