//! The framing that receivers observe (`--observe-framing`), compared with the pieces that tshark finds in a capture of
//! loopback.
//!
//! Each HTTP protocol uploads one body. Chunks and DATA frames must agree in number, bytes and largest size. A few
//! records and datagrams may follow the receiver's report, because they end the connection. All earlier ones must
//! agree.

mod capture;
mod dissect;

use anyhow::{Context as _, Result, bail, ensure};
use record::{FrameSizes, Framing, PROTOCOLS, Protocol, Record};

use self::{
    capture::{ADDRESS, Capture},
    dissect::Dissector,
};
use super::{Context, outcome::Outcome};
use crate::study::{Longhaul, RecordFile};

/// The options of each upload. Datagrams are so large that the kernel joins none (GSO), because a capture shows joined
/// datagrams as one, which cannot be decrypted. The body is small, because tshark keeps a body over HTTP/1.1 in memory.
const UPLOAD: [&str; 11] = [
    "--observe-framing",
    "--rounds",
    "1",
    "--size",
    "4MiB",
    "--chunk-size",
    "64KiB",
    "--quic-mtu",
    "40000",
    "--address",
    ADDRESS,
];

/// The most records or datagrams that follow the report: an alert or the end of the connection, and acknowledgements.
const LATER: usize = 10;

/// The parts of [`Framing`]: the name of each, its observed sizes, and the sizes that tshark finds.
const KINDS: [(&str, Observed, Found); 4] = [
    ("HTTP/1.1 chunks", |framing| framing.http1_chunks, Dissector::chunks),
    ("DATA frames", |framing| framing.data_frames, Dissector::data_frames),
    ("TLS records", |framing| framing.tls_records, Dissector::tls_records),
    ("datagrams", |framing| framing.datagrams, Dissector::datagrams),
];

/// The number of comparisons: one for the chunks or DATA frames of each protocol, and one more for each protocol over
/// TLS or QUIC.
const ALL: usize = 8;

/// Returns the sizes that the receiver observed.
type Observed = fn(&Framing) -> Option<FrameSizes>;

/// Returns the sizes that tshark finds, in the order of the capture.
type Found = fn(&Dissector) -> Result<Vec<u64>>;

pub(super) fn run(context: &Context<'_>) -> Result<Outcome> {
    let Some(version) = capture::version() else {
        return Ok(Outcome::not_run("tshark is missing; `apt-get install tshark` installs it"));
    };
    let mut outcome = Outcome::default();
    let mut kinds = 0;
    for protocol in PROTOCOLS.iter().filter(|protocol| protocol.is_http()) {
        match compare(context, protocol, &mut outcome)? {
            Some(compared) => kinds += compared,
            None => return Ok(Outcome::not_run("this user may not capture on loopback")),
        }
    }
    outcome.check("kinds of pieces compared", ALL.to_string(), kinds.to_string(), kinds == ALL);
    outcome.notes.push(format!(
        "{version}. One upload of 4 MiB in chunks of 64 KiB over each protocol, in QUIC datagrams of 40,000 bytes. \
         TLS and QUIC are decrypted by the key log of the client."
    ));
    outcome.notes.push(
        "tshark does not show DATA frames of HTTP/3 that span datagrams: it decrypts and orders the stream, and the \
         step reads the heads of the frames."
            .into(),
    );
    Ok(outcome)
}

/// Captures an upload, and compares each kind of piece that its receiver observed. Returns the number of kinds; `None`
/// if this user may not capture.
fn compare(context: &Context<'_>, protocol: &Protocol, outcome: &mut Outcome) -> Result<Option<usize>> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let Some(capture) = Capture::begin(folder.path())? else { return Ok(None) };
    let arguments = [&["--protocol", protocol.name], &UPLOAD[..]].concat();
    let keys = folder.path().join("keys");
    let longhaul = Longhaul::new(context.program.to_owned(), &[]).with_key_log(&keys);
    let records = longhaul.bench(&arguments, &mut RecordFile::create_in(folder.path())?);
    let file = capture.end()?;
    let framing = observed(&records?)?;
    let dissector = Dissector::new(file, keys, &framing)?;
    let mut kinds = 0;
    for (name, observed, found) in KINDS {
        if let Some(seen) = observed(&framing) {
            let found = found(&dissector)?;
            let is_outer = name == "TLS records" || name == "datagrams";
            judge(
                outcome,
                &format!("{}: {name}", protocol.name),
                seen,
                &found,
                if is_outer { LATER } else { 0 },
            );
            kinds += 1;
        }
    }
    Ok(Some(kinds))
}

/// Returns the framing that the receiver of the only run observed.
fn observed(records: &[Record]) -> Result<Framing> {
    let [record] = records else { bail!("{} records instead of one", records.len()) };
    ensure!(record.is_ok(), "the upload failed: {:?}", record.error);
    let receiver = record.receiver.as_ref().context("the receiver made no report")?;
    receiver.framing.as_deref().cloned().context("the receiver observed nothing")
}

/// Compares observed pieces with those that tshark found, of which up to `later` may follow the last observed one.
fn judge(outcome: &mut Outcome, what: &str, seen: FrameSizes, found: &[u64], later: usize) {
    let count = usize::try_from(seen.count).unwrap_or(usize::MAX);
    let (before, after) = found.split_at(count.min(found.len()));
    let (bytes, largest) = (before.iter().sum::<u64>(), before.iter().max().copied().unwrap_or(0));
    let line = |count: usize, bytes: u64, largest: u64| format!("{count} of {bytes} B, largest {largest} B");
    let expected = match after.len() {
        0 => line(before.len(), bytes, largest),
        after => format!("{}, then {after} after the report", line(before.len(), bytes, largest)),
    };
    let holds = before.len() == count
        && after.len() <= later
        && (bytes, largest) == (seen.total_bytes, seen.max)
        && before.iter().min() == Some(&seen.min);
    outcome.check(what, expected, line(count, seen.total_bytes, seen.max), holds);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_agree_if_count_bytes_and_extremes_do() {
        let seen = FrameSizes { count: 3, total_bytes: 60, min: 10, p50: 20, p99: 30, max: 30 };
        let holds = |found: &[u64], later: usize| {
            let mut outcome = Outcome::default();
            judge(&mut outcome, "h3: datagrams", seen, found, later);
            outcome.checks.iter().all(|check| check.holds())
        };
        assert!(holds(&[10, 20, 30], 0) && holds(&[10, 20, 30, 7], 1));
        assert!(!holds(&[10, 20, 30, 7], 0), "a piece that the receiver missed");
        assert!(!holds(&[10, 20], 10) && !holds(&[], 10), "a piece that never came");
        assert!(!holds(&[10, 25, 25], 0) && !holds(&[5, 25, 30], 0) && !holds(&[10, 20, 31], 0));
    }
}
