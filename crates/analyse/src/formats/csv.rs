//! CSV with one line per run, for spreadsheets and data frames.

use std::iter::once;

use record::{Case, End, EndRecord, FrameSizes, Record, TransportStats};

use super::{Format, FormatError, Report, framing};

/// The format of `records.csv`.
pub(super) struct Csv;

impl Format for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn describe(&self) -> &'static str {
        "records.csv, one line per run"
    }

    fn file(&self) -> &'static str {
        "records.csv"
    }

    fn render(&self, report: &Report<'_>) -> Result<String, FormatError> {
        let of_case = Case::COLUMNS.iter().map(|(name, _)| *name);
        let names = once("case").chain(of_case).chain(RUN.iter().map(|(name, _)| *name));
        let end_names = END.iter().map(|(name, _)| *name);
        csv_text(self.file(), names, end_names, report.records.iter().map(|record| cells(record).collect()))
    }
}

/// Returns the text of the CSV file `file`: each line has the columns of a run or a case, and then the columns of each
/// end.
pub(super) fn csv_text<'n>(
    file: &str,
    names: impl Iterator<Item = &'n str>,
    end_names: impl Iterator<Item = &'n str> + Clone,
    lines: impl Iterator<Item = Vec<String>>,
) -> Result<String, FormatError> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| FormatError::render(file, error);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let of_ends =
        End::ALL.into_iter().flat_map(|end| end_names.clone().map(move |name| format!("{end}_{name}")));
    writer.write_record(names.map(str::to_owned).chain(of_ends)).map_err(|error| failed(error.into()))?;
    for line in lines {
        writer.write_record(line).map_err(|error| failed(error.into()))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(error.to_string().into()))?;
    String::from_utf8(bytes).map_err(|error| failed(error.into()))
}

/// Returns the cells of one run. A figure that could not be taken is an empty cell.
fn cells(record: &Record) -> impl Iterator<Item = String> {
    let case = Case::COLUMNS.iter().map(|(_, cell)| cell(&record.case));
    let run = RUN.iter().map(|(_, cell)| cell(record));
    let of_ends = End::ALL
        .into_iter()
        .map(|end| record.end(end))
        .flat_map(|end| END.iter().map(move |(_, cell)| end.and_then(cell)));
    once(text(record.case.key())).chain(case).chain(run).chain(of_ends).map(Option::unwrap_or_default)
}

fn text(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}

fn number(value: Option<impl ToString>) -> Option<String> {
    value.map(|value| value.to_string())
}

/// Returns a figure of the pieces of HTTP that reached the receiver, from their name and sizes.
fn http_pieces(record: &Record, figure: fn(Pieces) -> String) -> Option<String> {
    record.receiver.as_ref()?.framing.as_deref().and_then(framing::of_http).map(figure)
}

/// Returns a figure of the pieces of the carrier that reached the receiver, from their name and sizes.
fn carrier_pieces(record: &Record, figure: fn(Pieces) -> String) -> Option<String> {
    record.receiver.as_ref()?.framing.as_deref().and_then(framing::of_carrier).map(figure)
}

type Pieces = (&'static str, FrameSizes);

type Column<T> = (&'static str, fn(&T) -> Option<String>);

/// The columns of the run, after those of its case.
const RUN: &[Column<Record>] = &[
    ("run_id", |r| text(&r.run_id)),
    ("round", |r| text(r.round)),
    ("started_at", |r| text(&r.started_at)),
    ("outcome", |r| text(if r.is_ok() { "ok" } else { "error" })),
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
    ("carrier", |r| text(r.facts().carrier)),
    ("http", |r| r.facts().http.map(|http| http.to_string())),
    ("purpose", |r| r.purpose.map(|purpose| format!("{purpose:?}").to_lowercase())),
    ("label", |r| r.label.clone()),
    ("peer", |r| r.peer.clone()),
    ("delivery_p50_ns", |r| r.delivery.as_ref().map(|delivery| delivery.p50.to_string())),
    ("delivery_p99_ns", |r| r.delivery.as_ref().map(|delivery| delivery.p99.to_string())),
    ("slowest_body_bytes_per_s", |r| number(r.bodies.map(|bodies| bodies.least))),
    ("fairness", |r| number(r.bodies.map(|bodies| bodies.jain))),
    ("disturbed", |r| number(r.disturbed)),
    ("warnings", |r| {
        text(r.warnings.iter().map(|warning| warning.name.as_str()).collect::<Vec<_>>().join(";"))
    }),
    ("subject", |r| r.subject.map(|subject| subject.to_string())),
    ("absorbed_bytes", |r| r.absorbed_bytes.map(|bytes| bytes.to_string())),
    ("stall_s", |r| number(r.stall.as_ref().map(|stall| stall.seconds))),
    ("stall_ended", |r| r.stall.as_ref()?.ended.clone()),
    ("framing_http_kind", |r| http_pieces(r, |(kind, _)| kind.to_owned())),
    ("framing_http_count", |r| http_pieces(r, |(_, sizes)| sizes.count.to_string())),
    ("framing_http_min", |r| http_pieces(r, |(_, sizes)| sizes.min.to_string())),
    ("framing_http_p50", |r| http_pieces(r, |(_, sizes)| sizes.p50.to_string())),
    ("framing_http_max", |r| http_pieces(r, |(_, sizes)| sizes.max.to_string())),
    ("framing_carrier_kind", |r| carrier_pieces(r, |(kind, _)| kind.to_owned())),
    ("framing_carrier_count", |r| carrier_pieces(r, |(_, sizes)| sizes.count.to_string())),
    ("framing_carrier_min", |r| carrier_pieces(r, |(_, sizes)| sizes.min.to_string())),
    ("framing_carrier_p50", |r| carrier_pieces(r, |(_, sizes)| sizes.p50.to_string())),
    ("framing_carrier_max", |r| carrier_pieces(r, |(_, sizes)| sizes.max.to_string())),
    ("full_handshake_s", |r| number(r.resumption.map(|resumption| resumption.full_handshake_s))),
    ("resumed", |r| number(r.resumption.and_then(|resumption| resumption.resumed))),
    ("early_data_accepted", |r| number(r.resumption.and_then(|resumption| resumption.early_data_accepted))),
    ("peer_host", |r| r.peer_host.as_ref()?.name.clone()),
    ("limited_by", |r| r.limited_by.as_ref().map(|limit| limit.cause.to_string())),
    ("limited_by_share", |r| number(r.limited_by.as_ref().map(|limit| limit.share))),
    ("limited_by_evidence", |r| r.limited_by.as_ref().map(|limit| limit.evidence.clone())),
    ("core_round_trip_ns", |r| number(r.core_round_trip.map(|trip| trip.longest().as_nanos()))),
];

/// The columns of one end.
const END: &[Column<EndRecord>] = &[
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
    // `chunk_latency` is the earlier name of `pull_wait`, which existing scripts may read.
    ("chunk_latency_p50_ns", |e| e.pull_wait().map(|wait| wait.p50.to_string())),
    ("chunk_latency_p99_ns", |e| e.pull_wait().map(|wait| wait.p99.to_string())),
    ("chunk_latency_p999_ns", |e| e.pull_wait().map(|wait| wait.p999.to_string())),
    ("chunk_latency_max_ns", |e| e.pull_wait().map(|wait| wait.max.to_string())),
    ("pull_wait_p50_ns", |e| e.pull_wait().map(|wait| wait.p50.to_string())),
    ("pull_wait_p99_ns", |e| e.pull_wait().map(|wait| wait.p99.to_string())),
    ("pull_wait_p999_ns", |e| e.pull_wait().map(|wait| wait.p999.to_string())),
    ("pull_wait_max_ns", |e| e.pull_wait().map(|wait| wait.max.to_string())),
    ("lateness_p50_ns", |e| e.lateness.as_ref().map(|late| late.p50.to_string())),
    ("lateness_p99_ns", |e| e.lateness.as_ref().map(|late| late.p99.to_string())),
    ("longest_silence_s", |e| number(e.longest_silence_s)),
    ("under_half_median", |e| number(e.throughput.as_ref().and_then(|rates| rates.under_half_median))),
    ("run_delay_s", |e| number(e.run_delay_s)),
    ("involuntary_switches", |e| {
        e.context_switches.as_ref().map(|switches| switches.involuntary.to_string())
    }),
    ("receive_window_bytes", |e| number(e.receive_window_bytes)),
    ("cpu_spin_s", |e| number(e.cpu.spin_s)),
    ("major_faults", |e| number(e.faults.as_ref().map(|faults| faults.major))),
    ("heap_bytes", |e| number(e.memory.heap_bytes)),
    ("kernel_bytes", |e| number(e.memory.kernel_bytes)),
    ("application_wait_s", |e| number(e.application_wait_s)),
    ("waits_for_credit", |e| number(e.send_waits.map(|waits| waits.credit))),
    ("waits_for_socket", |e| number(e.send_waits.map(|waits| waits.socket))),
    ("rtt_us", |e| number(e.transport.as_ref().map(rtt_us))),
    ("lost_packets", |e| number(e.transport.as_ref().map(lost_packets))),
];

fn rtt_us(stats: &TransportStats) -> u64 {
    match stats {
        TransportStats::Tcp(tcp) => tcp.rtt_us,
        TransportStats::Quic(quic) => quic.rtt_us,
    }
}

/// Returns the packets that were lost according to the end: those that TCP sent again, or that QUIC declared lost.
fn lost_packets(stats: &TransportStats) -> u64 {
    match stats {
        TransportStats::Tcp(tcp) => tcp.retransmits,
        TransportStats::Quic(quic) => quic.lost_packets,
    }
}

#[cfg(test)]
mod tests {
    use record::Framing;

    use super::*;
    use crate::{
        Analysis,
        tests::{bad_day, run, with},
    };

    #[test]
    fn a_reader_finds_every_run_by_its_column_and_gaps_stay_empty() {
        let records = bad_day();
        let analysis = Analysis::of(&records);
        let text = Csv.render(&Report::new("A run", &records, &analysis)).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let heads = reader.headers().unwrap().clone();
        let lines: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let cell = |line: usize, name: &str| {
            lines[line].get(heads.iter().position(|head| head == name).unwrap()).unwrap().to_owned()
        };
        assert_eq!(lines.len(), records.len());
        let first = "case,protocol,direction,chunk_bytes,body_bytes,total_bytes,payload,sink,connections,streams,\
                     reader_rate_bytes_per_s,limit_rate_bytes_per_s";
        let of_case: Vec<_> = heads.iter().take(12).collect();
        assert_eq!(of_case.join(","), first);
        assert_eq!(cell(0, "case"), records[0].case.key().to_string());
        assert_eq!(
            (cell(1, "carrier"), cell(1, "http"), cell(1, "purpose")),
            ("tls".into(), "2".into(), "measure".into())
        );
        assert_eq!(cell(0, "sender_peak_rss_bytes"), (8 << 20).to_string());
        assert_eq!(cell(0, "sender_cpu_user_s"), "");
        let failed = records.iter().position(|record| record.error.is_some()).unwrap();
        assert_eq!(
            (cell(failed, "outcome"), cell(failed, "error")),
            ("error".into(), "it said \"no\", twice".into())
        );
        assert_eq!(cell(failed, "receiver_bytes"), "");
        assert_eq!(
            (cell(0, "framing_http_kind"), cell(0, "framing_carrier_max")),
            (String::new(), String::new())
        );
    }

    #[test]
    fn the_pieces_that_arrived_stand_in_a_group_of_columns_for_each_layer() {
        let observed = with(run("h2"), |record| {
            let sizes =
                |count, min, p50, max| Some(FrameSizes { count, min, p50, max, ..FrameSizes::default() });
            let framing = Framing {
                data_frames: sizes(32, 7, 65_536, 65_537),
                tls_records: sizes(129, 26, 16_401, 16_402),
                ..Framing::default()
            };
            record.receiver.as_mut().unwrap().framing = Some(Box::new(framing));
        });
        let group = |layer: &str| -> Vec<String> {
            let columns = RUN.iter().filter(|(name, _)| name.starts_with(&format!("framing_{layer}_")));
            columns.map(|(_, cell)| cell(&observed).unwrap()).collect()
        };
        assert_eq!(group("http"), ["data_frames", "32", "7", "65536", "65537"]);
        assert_eq!(group("carrier"), ["tls_records", "129", "26", "16401", "16402"]);
    }
}
