//! The answer about speed: the fastest HTTP protocols, and the smallest chunk that suffices for them.

use std::{cmp::Reverse, collections::BTreeMap};

use record::{Axis, ByteSize, Direction, ProtocolFacts, mib_per_s, three_digits};
use stats::Spread;

use crate::{Analysis, Row, SeriesKey, Verdict, machines};

/// The share of a protocol's best goodput with which a chunk size suffices.
const SUFFICIENT: f64 = 0.95;

/// The answer about the speed of rows that move the same bodies.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SpeedAnswer {
    /// The direction of the bodies.
    pub direction: Direction,
    /// The size of each body.
    pub body: Option<ByteSize>,
    /// The other axes that are not at their defaults, as in the name of a case, with label and peer; empty without any.
    pub variant: String,
    /// The axes among these, without label and peer: the network, rates and the load of the bodies.
    pub axes: String,
    /// The protocols of each carrier class, in the order of the classes.
    pub contests: Vec<Contest>,
    /// The smallest chunk that suffices, for each protocol with several chunk sizes.
    pub chunks: Vec<SufficientChunk>,
}

/// The class of a carrier, within which protocols offer the same protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CarrierClass {
    /// TCP in cleartext.
    Cleartext,
    /// TLS over TCP.
    Tls,
    /// QUIC.
    Quic,
}

/// The fastest HTTP protocol of a carrier class, or those that are not told apart from it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Contest {
    /// The carrier class.
    pub class: CarrierClass,
    /// The protocol with the highest median, and all protocols with a row whose interval is not below that of the
    /// first, by falling median. A single leader is the fastest, or [alone](Self::is_alone).
    pub leaders: Vec<Contestant>,
    /// True if the class has a single HTTP protocol, which is therefore not called the fastest.
    pub is_alone: bool,
}

/// A protocol with the chunk size of its highest median goodput.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Contestant {
    /// The name of the protocol.
    pub protocol: String,
    /// The chunk size.
    pub chunk: ByteSize,
    /// The goodput, in bytes per second. Its interval of 95 % is `None` for fewer than six runs.
    pub goodput: Spread,
    /// The limits that are not at their defaults, as in the name of a case; empty without any.
    pub limits: String,
    /// The name of the series.
    pub series: String,
}

/// The smallest chunk with which a protocol reaches 95 % of its highest median goodput.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SufficientChunk {
    /// The name of the protocol.
    pub protocol: String,
    /// The chunk size; `None` if a smaller chunk falls short, but its interval is not below that of the best chunk.
    pub chunk: Option<ByteSize>,
    /// The share of the highest median goodput, if the chunk is known.
    pub share: Option<f64>,
}

/// Returns one answer for each set of rows that take part, the set with the most rows first. Among sets of as many rows,
/// those at more defaults come first. Sets of libraries with their own defaults come last. Empty for a proof and for
/// records of several machines.
pub(super) fn all(analysis: &Analysis<'_>) -> Vec<SpeedAnswer> {
    let records = || analysis.rows.iter().flat_map(|row| row.records.iter().copied());
    if analysis.proof.is_some() || !machines::is_one(records()) {
        return Vec::new();
    }
    let mut sets: BTreeMap<(bool, SeriesKey), Vec<&Row<'_>>> = BTreeMap::new();
    for row in analysis.rows.iter().filter(|row| takes_part(analysis, row)) {
        sets.entry((row.case.is_stock(), row.key.of_any_chunk())).or_default().push(row);
    }
    let mut sets: Vec<_> = sets.into_iter().filter(|(_, rows)| rows.len() > 1).collect();
    sets.sort_by_key(|((is_stock, key), rows)| (*is_stock, Reverse(rows.len()), distance(key, rows)));
    sets.iter().map(|((_, key), rows)| SpeedAnswer::of(key, rows)).collect()
}

/// Returns the distance of a set from the defaults: whether it has a label, its peers, its axes, and the limits of its rows.
fn distance(key: &SeriesKey, rows: &[&Row<'_>]) -> impl Ord + use<> {
    let limits: usize = rows.iter().map(|row| limits(row).len()).sum();
    (key.label.is_some(), key.peer.is_some(), key.case.axes.len(), limits)
}

/// Returns the limits of a row that are not at their defaults.
fn limits<'r>(row: &'r Row<'_>) -> Vec<&'r Axis> {
    row.key.case.axes.iter().filter(|axis| axis.is_limit()).collect()
}

/// Returns whether a row takes part: HTTP, not a control, not of `bench --peer`, with a goodput, and without a finding
/// that fails a command. A row with a single run takes part: leaving it out could name a slower protocol the fastest.
fn takes_part(analysis: &Analysis<'_>, row: &Row<'_>) -> bool {
    let is_sound = analysis.findings_of(row).all(|finding| finding.kind.verdict() == Verdict::Good);
    let is_own = row.facts.http.is_some() && !row.is_control && row.peer_end().is_none();
    is_own && is_sound && row.goodput.is_some()
}

impl CarrierClass {
    /// Returns the class of a protocol's carrier.
    pub fn of(facts: &ProtocolFacts) -> Self {
        match facts.http.as_deref() {
            Some("3") => Self::Quic,
            _ if facts.tls => Self::Tls,
            _ => Self::Cleartext,
        }
    }

    /// Returns the short name of the carrier, for a line with little room.
    pub fn carrier(self) -> &'static str {
        match self {
            Self::Cleartext => "TCP",
            Self::Tls => "TLS",
            Self::Quic => "QUIC",
        }
    }

    /// Returns the name of the class in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cleartext => "cleartext",
            Self::Tls => "TLS",
            Self::Quic => "QUIC",
        }
    }
}

impl SpeedAnswer {
    fn of(key: &SeriesKey, rows: &[&Row<'_>]) -> Self {
        let mut classes: BTreeMap<CarrierClass, Vec<&Row<'_>>> = BTreeMap::new();
        rows.iter().for_each(|row| classes.entry(CarrierClass::of(&row.facts)).or_default().push(*row));
        let label = key.label.iter().map(|label| format!("'{label}'"));
        let axes = key.case.variant();
        let named = Some(axes.clone()).filter(|axes| !axes.is_empty());
        let variant: Vec<String> = named.into_iter().chain(label).chain(key.peer.clone()).collect();
        Self {
            direction: key.case.direction,
            body: key.case.body,
            variant: variant.join(" "),
            axes,
            contests: classes.into_iter().filter_map(|(class, rows)| Contest::of(class, &rows)).collect(),
            chunks: by_protocol(rows).iter().filter_map(|rows| SufficientChunk::of(rows)).collect(),
        }
    }

    /// Returns the bodies of the rows in words: "up, 2GiB".
    pub fn scope(&self) -> String {
        let body = self.body.map(|body| body.to_string());
        let variant = Some(self.variant.clone()).filter(|variant| !variant.is_empty());
        let parts = [Some(self.direction.to_string()), body, variant];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Returns the fastest protocols in a line; `None` without any.
    pub(super) fn fastest_line(&self) -> Option<String> {
        let contests = || self.contests.iter();
        let leaders: Vec<&Contestant> = contests().filter_map(Contest::leader).collect();
        let first = leaders.first()?;
        // Settings that all leaders have in common are named once.
        let chunk = Some(first.chunk).filter(|chunk| leaders.iter().all(|leader| leader.chunk == *chunk));
        let limits =
            Some(&*first.limits).filter(|limits| leaders.iter().all(|leader| leader.limits == *limits));
        let common = setting(chunk, limits);
        let own =
            |leader: &Contestant| setting(chunk.xor(Some(leader.chunk)), limits.xor(Some(&leader.limits)));
        let has_fastest = contests().any(|contest| !contest.is_alone);
        let what = if has_fastest { "Fastest" } else { "Goodput" };
        let rivals = |contest: &Contest| if has_fastest && contest.is_alone { " (no rival)" } else { "" };
        let own = |contest: &Contest| contest.leader().map(own).unwrap_or_default();
        let parts: Vec<String> =
            contests().map(|contest| contest.text() + &own(contest) + rivals(contest)).collect();
        let has_interval =
            |contest: &Contest| contest.leader().is_some_and(|leader| leader.uncertainty().is_some());
        let few = if contests().all(has_interval) { "" } else { "; too few rounds for intervals" };
        Some(format!("{what}{common}, MiB/s: {}{few}", parts.join("; ")))
    }

    /// Returns the smallest chunk that suffices in a line; `None` without several chunk sizes.
    pub(super) fn chunk_line(&self) -> Option<String> {
        let mut by_chunk: BTreeMap<(bool, Option<ByteSize>), Vec<&str>> = BTreeMap::new();
        for of in &self.chunks {
            by_chunk.entry((of.chunk.is_none(), of.chunk)).or_default().push(&of.protocol);
        }
        let parts = by_chunk.iter().map(|((_, chunk), protocols)| {
            let chunk = chunk.map_or_else(|| "unclear".to_owned(), |chunk| chunk.to_string());
            format!("{chunk} ({})", protocols.join(", "))
        });
        let parts: Vec<String> = parts.collect();
        (!parts.is_empty()).then(|| format!("Smallest chunk for 95 % of best: {}", parts.join("; ")))
    }
}

impl Contest {
    fn of(class: CarrierClass, rows: &[&Row<'_>]) -> Option<Self> {
        let protocols = by_protocol(rows);
        let mut best: Vec<(Contestant, &Vec<&Row<'_>>)> =
            protocols.iter().filter_map(|rows| Some((Contestant::best(rows)?, rows))).collect();
        best.sort_by(|(a, _), (b, _)| b.goodput.median.total_cmp(&a.goodput.median));
        let (first, _) = best.first()?;
        let leader = first.goodput;
        let is_behind = |rows: &[&Row<'_>]| {
            rows.iter().filter_map(|row| row.goodput).all(|goodput| is_below(&goodput, &leader))
        };
        let is_alone = best.len() == 1;
        let leaders = best.iter().enumerate().filter(|(place, (_, rows))| *place == 0 || !is_behind(rows));
        let leaders = leaders.map(|(_, (contestant, _))| contestant.clone()).collect();
        Some(Self { class, leaders, is_alone })
    }

    /// Returns the protocol with the highest median.
    fn leader(&self) -> Option<&Contestant> {
        self.leaders.first()
    }

    /// Returns the leaders, with the goodput of the first.
    fn text(&self) -> String {
        let names: Vec<&str> = self.leaders.iter().map(|leader| leader.protocol.as_str()).collect();
        let figure = self.leader().map_or_else(String::new, Contestant::figure);
        format!("{} {} {figure}", self.class.carrier(), names.join(" or "))
    }
}

/// Returns a chunk size and limits in words; empty if both are unknown, or if all limits are at their defaults.
fn setting(chunk: Option<ByteSize>, limits: Option<&str>) -> String {
    let chunk = chunk.map(|chunk| format!(" at {chunk}"));
    let limits = limits.filter(|limits| !limits.is_empty()).map(|limits| format!(" with {limits}"));
    chunk.unwrap_or_default() + &limits.unwrap_or_default()
}

impl Contestant {
    /// Returns the row with the highest median among the rows of one protocol; `None` if they moved no bytes.
    fn best(rows: &[&Row<'_>]) -> Option<Self> {
        let median = |row: &Row<'_>| row.goodput.map_or(0.0, |goodput| goodput.median);
        let row = rows.iter().max_by(|a, b| median(a).total_cmp(&median(b)))?;
        let limits: Vec<String> = limits(row).iter().map(ToString::to_string).collect();
        Some(Self {
            protocol: row.case.protocol.clone(),
            chunk: row.key.case.chunk,
            goodput: row.goodput.filter(|goodput| goodput.median > 0.0)?,
            limits: limits.join("+"),
            series: row.key.to_string(),
        })
    }

    /// Returns the larger distance from the median to an end of its interval, as a share of the median; `None` without
    /// an interval.
    pub fn uncertainty(&self) -> Option<f64> {
        let (median, interval) = (self.goodput.median, self.goodput.interval?);
        Some((interval.high - median).max(median - interval.low) / median)
    }

    /// Returns the goodput in MiB/s, with its uncertainty in percent if it is known.
    fn figure(&self) -> String {
        let uncertainty = self.uncertainty().map(|share| format!(" ±{:.0} %", (100.0 * share).ceil()));
        three_digits(mib_per_s(self.goodput.median)) + &uncertainty.unwrap_or_default()
    }
}

impl SufficientChunk {
    /// Returns the smallest chunk that suffices among the rows of one protocol with the limits of the fastest; `None`
    /// without several sizes.
    fn of(rows: &[&Row<'_>]) -> Option<Self> {
        let known = rows.iter().filter_map(|row| Some((*row, row.goodput?)));
        let (fastest, best) = known.clone().max_by(|(_, a), (_, b)| a.median.total_cmp(&b.median))?;
        let alike = known.filter(|(row, _)| limits(row) == limits(fastest));
        let mut chunks: Vec<(ByteSize, Spread)> =
            alike.map(|(row, goodput)| (row.key.case.chunk, goodput)).collect();
        chunks.sort_by_key(|(chunk, _)| *chunk);
        let protocol = rows.first()?.case.protocol.clone();
        if chunks.len() < 2 {
            return None;
        }
        let share = |goodput: &Spread| goodput.median / best.median;
        let place = chunks.iter().position(|(_, goodput)| share(goodput) >= SUFFICIENT)?;
        let is_certain = chunks.iter().take(place).all(|(_, goodput)| is_below(goodput, &best));
        let found = chunks.get(place).filter(|_| is_certain);
        Some(Self {
            protocol,
            chunk: found.map(|(chunk, _)| *chunk),
            share: found.map(|(_, goodput)| share(goodput)),
        })
    }
}

/// Returns whether the interval of a goodput lies wholly below that of another. Returns false if either has too few
/// runs for an interval.
fn is_below(one: &Spread, other: &Spread) -> bool {
    one.interval.zip(other.interval).is_some_and(|(one, other)| one.high < other.low)
}

/// Returns the rows of each protocol, in the order of the rows.
fn by_protocol<'r, 'a>(rows: &[&'r Row<'a>]) -> Vec<Vec<&'r Row<'a>>> {
    let mut all: Vec<Vec<&Row<'_>>> = Vec::new();
    for row in rows {
        let same = |rows: &&mut Vec<&Row<'_>>| {
            rows.first().is_some_and(|first| first.case.protocol == row.case.protocol)
        };
        match all.iter_mut().find(same) {
            Some(rows) => rows.push(row),
            None => all.push(vec![row]),
        }
    }
    all
}

#[cfg(test)]
mod tests;
