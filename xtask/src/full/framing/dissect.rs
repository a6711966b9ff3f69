//! The pieces that tshark finds in a capture, in the direction to the server.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use record::Framing;

use super::capture::ADDRESS;

/// The least length of an encrypted TLS record: the tag of an AEAD (RFC 8446 section 5.2).
const LEAST_RECORD: u64 = 16;

/// The octets of the header of UDP.
const UDP_HEADER: u64 = 8;

/// The type of DATA in HTTP/2 and HTTP/3.
const DATA: u64 = 0;

/// A capture of one upload, with the decryption keys and the dissectors that its port needs.
pub(super) struct Dissector {
    file: PathBuf,
    keys: PathBuf,
    /// The protocol that tshark is to assume on the port of the server.
    decode_as: String,
}

impl Dissector {
    /// Returns a dissector of a capture whose receiver observed `framing`.
    pub(super) fn new(file: PathBuf, keys: PathBuf, framing: &Framing) -> Result<Self> {
        let mut dissector = Self { file, keys, decode_as: String::new() };
        let (carrier, protocol) = match framing {
            Framing { datagrams: Some(_), .. } => ("udp", "quic"),
            Framing { tls_records: Some(_), .. } => ("tcp", "tls"),
            Framing { http1_chunks: Some(_), .. } => ("tcp", "http"),
            _ => ("tcp", "http2"),
        };
        let port = format!("{carrier}.dstport");
        let ports = dissector.fields("ip", &[&port], &[])?;
        let first = ports.first().and_then(|line| line.first()).and_then(|ports| ports.first());
        let port = first.context("the capture is empty")?;
        dissector.decode_as = format!("{carrier}.port=={port},{protocol}");
        Ok(dissector)
    }

    /// Returns the chunks of HTTP/1.1, without the last one.
    pub(super) fn chunks(&self) -> Result<Vec<u64>> {
        let lines = self.fields("http", &["http.chunk_size"], &["http.desegment_body:TRUE"])?;
        Ok(lines.concat().concat().into_iter().filter(|size| *size > 0).collect())
    }

    /// Returns the DATA frames of HTTP/2, or of HTTP/3.
    pub(super) fn data_frames(&self) -> Result<Vec<u64>> {
        if self.decode_as.starts_with("udp") {
            return self.http3_data();
        }
        let lines = self.fields("http2", &["http2.type", "http2.length"], &[])?;
        lines.iter().map(|line| data(line)).collect::<Result<Vec<_>>>().map(|data| data.concat())
    }

    /// Returns the encrypted TLS records. They are not decrypted, because decryption replaces their type.
    pub(super) fn tls_records(&self) -> Result<Vec<u64>> {
        let lines = self.fields("tls.record.opaque_type", &["tls.record.length"], &[])?;
        Ok(lines.concat().concat().into_iter().filter(|length| *length >= LEAST_RECORD).collect())
    }

    /// Returns the UDP datagrams.
    pub(super) fn datagrams(&self) -> Result<Vec<u64>> {
        let lines = self.fields("udp", &["udp.length"], &[])?;
        Ok(lines.concat().concat().into_iter().map(|length| length.saturating_sub(UDP_HEADER)).collect())
    }

    /// Returns the DATA frames of the first request over HTTP/3.
    fn http3_data(&self) -> Result<Vec<u64>> {
        let text = self.text("quic.stream.stream_id == 0", &STREAM_FIELDS, &[])?;
        http3_data(&stream(&text)?)
    }

    /// Returns the values of numeric fields: a line for each packet to the server that `filter` selects, and in it a
    /// list for each field.
    fn fields(&self, filter: &str, fields: &[&str], options: &[&str]) -> Result<Vec<Vec<Vec<u64>>>> {
        let text = self.text(filter, fields, options)?;
        text.lines().map(|line| line.split('\t').map(numbers).collect()).collect()
    }

    fn text(&self, filter: &str, fields: &[&str], options: &[&str]) -> Result<String> {
        let mut tshark = Command::new("tshark");
        tshark.arg("-r").arg(&self.file).args(["-T", "fields", "-E", "occurrence=a"]);
        // A capture of loopback on several cores has segments out of order.
        tshark.args(["-o", "tcp.reassemble_out_of_order:TRUE"]);
        tshark.arg("-Y").arg(format!("ip.dst == {ADDRESS} && {filter}"));
        if !self.decode_as.is_empty() {
            tshark.arg("-d").arg(&self.decode_as);
        }
        // Without keys, records keep their outer type.
        if !filter.starts_with("tls") {
            tshark.arg("-o").arg(format!("tls.keylog_file:{}", self.keys.display()));
        }
        tshark.args(options.iter().flat_map(|option| ["-o", option]));
        tshark.args(fields.iter().flat_map(|field| ["-e", field]));
        let output = tshark.stdin(Stdio::null()).output().context("cannot start tshark")?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "tshark failed ({}): {}", output.status, stderr.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Parses the values of a field in one packet.
fn numbers(cell: &str) -> Result<Vec<u64>> {
    let parse = |value: &str| value.parse().with_context(|| format!("tshark printed '{value}'"));
    cell.split(',').filter(|value| !value.is_empty()).map(parse).collect()
}

/// Returns the lengths of DATA frames among the types and lengths of the frames in a packet.
fn data(line: &[Vec<u64>]) -> Result<Vec<u64>> {
    let [types, lengths] = line else { bail!("{} fields instead of 2", line.len()) };
    ensure!(types.len() == lengths.len(), "{} frames have {} lengths", types.len(), lengths.len());
    Ok(types.iter().zip(lengths).filter(|(kind, _)| **kind == DATA).map(|(_, length)| *length).collect())
}

/// The fields of the STREAM frames in a packet: the identifiers, the flags for an offset, the offsets, and the data.
const STREAM_FIELDS: [&str; 4] =
    ["quic.stream.stream_id", "quic.stream.off", "quic.stream.offset", "quic.stream_data"];

/// Puts stream 0 together from lines of [`STREAM_FIELDS`], one for each packet.
fn stream(text: &str) -> Result<Vec<u8>> {
    let mut parts = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [ids, have_offsets, offsets, data] = fields[..] else { bail!("tshark printed '{line}'") };
        let (ids, have_offsets, data) = (numbers(ids)?, numbers(have_offsets)?, data.split(','));
        let mut offsets = numbers(offsets)?.into_iter();
        let data: Vec<&str> = data.collect();
        ensure!(ids.len() == data.len(), "{} parts of streams have {} pieces of data", ids.len(), data.len());
        for ((id, has_offset), data) in ids.into_iter().zip(have_offsets).zip(data) {
            let offset = if has_offset == 0 { 0 } else { offsets.next().context("an offset is missing")? };
            if id == 0 {
                parts.insert(usize::try_from(offset)?, bytes(data)?);
            }
        }
    }
    let mut stream = Vec::new();
    for (offset, part) in parts {
        ensure!(offset <= stream.len(), "the capture lacks the stream from {} to {offset}", stream.len());
        stream.extend(part.get(stream.len() - offset..).unwrap_or_default());
    }
    Ok(stream)
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2);
    let byte = |pair: &[u8]| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
    digits.map(byte).collect::<Result<_>>().context("stream data that is not hexadecimal")
}

/// Returns the lengths of the DATA frames of a request stream of HTTP/3 (RFC 9114 section 7.1).
fn http3_data(mut stream: &[u8]) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    while !stream.is_empty() {
        let (kind, length) = (integer(&mut stream)?, integer(&mut stream)?);
        stream = stream.get(usize::try_from(length)?..).context("the stream ends within a frame")?;
        if kind == DATA {
            found.push(length);
        }
    }
    Ok(found)
}

/// Reads an integer of RFC 9000 section 16.
fn integer(stream: &mut &[u8]) -> Result<u64> {
    let first = *stream.first().context("the stream ends within a head")?;
    let (bytes, rest) =
        stream.split_at_checked(1 << (first >> 6)).context("the stream ends within a head")?;
    *stream = rest;
    let rest = bytes.get(1..).unwrap_or_default();
    Ok(rest.iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_frames_are_told_apart_by_their_types() {
        assert_eq!(numbers("4,0,8").unwrap(), [4, 0, 8]);
        assert!(numbers("").unwrap().is_empty() && numbers("x").is_err());
        assert_eq!(data(&[vec![4, 0, 8, 0], vec![18, 65_536, 4, 7]]).unwrap(), [65_536, 7]);
        assert!(data(&[vec![0, 0], vec![1]]).is_err());
    }

    #[test]
    fn a_stream_is_put_together_from_parts_in_any_order_and_repeated_ones() {
        // HEADERS of 2 bytes, DATA of 3 and of 70 bytes, and an unknown frame.
        let whole = [&[1, 2, 9, 9, 0, 3, 7, 7, 7, 0, 0x40, 70][..], &[5; 70], &[0x21, 0]].concat();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let part = |from: usize, to: usize| format!("0\t1\t{from}\t{}\n", hex(&whole[from..to]));
        let first = format!("14,0\t0,0\t\tabcd,{}\n", hex(&whole[..5]));
        let text = [first, part(11, whole.len()), part(5, 11), part(3, 7)].concat();
        assert_eq!(stream(&text).unwrap(), whole);
        assert_eq!(http3_data(&whole).unwrap(), [3, 70]);
        assert!(stream(&part(5, 11)).is_err() && stream("0,2\t0,0\t\tab\n").is_err());
        assert!(http3_data(&whole[..20]).is_err() && http3_data(&[0]).is_err());
    }
}
