//! The brief answer as tiles, which the page shows before all charts.

use std::iter;

use record::{ByteSize, Direction, mib, mib_per_s, three_digits};
use serde::Serialize;
use stats::Interval;

use crate::{
    Analysis, CarrierClass, Contest, Contestant, MemoryAnswer, MemoryEvidence, Proof, SpeedAnswer, Verdict,
};

/// One answer: its subject, the answer in a few words, and the figures behind it.
#[derive(Debug, Serialize)]
pub(super) struct Tile {
    pub(super) title: String,
    pub(super) answer: String,
    pub(super) detail: String,
    /// The command that proves constant memory, if these records do not.
    pub(super) command: Option<String>,
    pub(super) tone: Tone,
}

/// The judgement that the colour of a tile expresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
}

/// Returns the tiles of an analysis: speed in one direction, memory, and speed in the other direction. So the first
/// screen of a phone has both answers. A proof has no answer about speed.
pub(super) fn tiles(analysis: &Analysis<'_>) -> Vec<Tile> {
    let answer = analysis.answer();
    let first = answer.speeds.first();
    // The first set in the other direction has tiles, too.
    let other =
        answer.speeds.iter().find(|speed| first.is_some_and(|first| first.direction != speed.direction));
    let of_speed = |speed: &SpeedAnswer| {
        let scope = scope(speed, &answer.speeds);
        let contests: Vec<Tile> = speed.contests.iter().map(|contest| of_contest(contest, &scope)).collect();
        contests.into_iter().chain(of_chunks(speed, &scope))
    };
    let has_controls = analysis.proof.as_ref().is_some_and(|proof| !proof.controls.is_empty());
    let memory = answer.memory.iter().map(|memory| of_memory(memory, has_controls));
    let proof = analysis.proof.iter().flat_map(of_proof);
    let speeds = |speed: Option<&SpeedAnswer>| speed.into_iter().flat_map(of_speed).collect::<Vec<_>>();
    speeds(first).into_iter().chain(memory).chain(speeds(other)).chain(proof).collect()
}

/// Returns the tiles of a proof: the number of constant ends, and the number of controls that behave as expected. A proof
/// of another program has no controls.
fn of_proof(proof: &Proof) -> Vec<Tile> {
    let share = |good: usize, all: usize, what: &str| match all {
        0 => "none".to_owned(),
        _ => format!("{good} of {all} {what}"),
    };
    let constant = proof.judgements.iter().filter(|end| end.verdict() == Verdict::Good).count();
    let noticed = proof.controls.iter().filter(|control| control.is_as_expected()).count();
    let tone = |is_good| if is_good { Tone::Good } else { Tone::Bad };
    let open = proof.judgements.iter().filter(|end| end.verdict() != Verdict::Good);
    let open = open.min_by_key(|end| end.verdict());
    let open = open.map(|end| {
        let reason = end.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        format!("{} {}{reason}.", end.series.key, end.series.end_name())
    });
    let controls = match proof.controls.len() {
        0 if proof.lacks_controls => "They were not run, so nothing is proven.",
        0 => "They were not run, so nothing shows that growth would be noticed.",
        _ => "Ends whose memory behaves in a known way. Most of them grow.",
    };
    let (ends, all) = (proof.judgements.len(), proof.controls.len());
    let of_controls = Tile {
        title: "Controls".into(),
        answer: share(noticed, all, "as expected"),
        detail: controls.into(),
        command: None,
        tone: if all == 0 && !proof.lacks_controls { Tone::Plain } else { tone(noticed == all && all > 0) },
    };
    let of_ends = Tile {
        title: "Ends under proof".into(),
        answer: share(constant, ends, "constant"),
        detail: open.unwrap_or_else(|| "The slope of memory with its interval is in the chart below.".into()),
        command: None,
        tone: tone(constant == ends && ends > 0),
    };
    let has_controls = all > 0 || proof.needs_controls();
    iter::once(of_ends).chain(has_controls.then_some(of_controls)).collect()
}

/// Returns the properties that distinguish the bodies of an answer from those of other answers: " (upload, 2 GiB)".
/// Network, rates and load are among them unless they are at their defaults. Empty without such properties.
fn scope(speed: &SpeedAnswer, all: &[SpeedAnswer]) -> String {
    let differs =
        |is_equal: fn(&SpeedAnswer, &SpeedAnswer) -> bool| all.iter().any(|it| !is_equal(it, speed));
    let direction = if speed.direction == Direction::Up { "upload" } else { "download" };
    let variant = if speed.variant.is_empty() { "no further axis" } else { &speed.variant };
    let axes = Some(speed.axes.clone()).filter(|axes| !axes.is_empty());
    let parts = [
        differs(|one, other| one.direction == other.direction).then(|| direction.to_owned()),
        speed.body.filter(|_| differs(|one, other| one.body == other.body)).map(spaced),
        differs(|one, other| one.variant == other.variant).then(|| variant.to_owned()).or(axes),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

fn of_contest(contest: &Contest, scope: &str) -> Tile {
    let class = match contest.class {
        CarrierClass::Cleartext => "in cleartext".to_owned(),
        other => format!("over {}", other.name()),
    };
    let (title, answer, detail) = match contest.leaders.as_slice() {
        [leader] => {
            let title = if contest.is_alone { "HTTP" } else { "Fastest HTTP" };
            (title, format!("{} {} MiB/s", leader.protocol, rate(leader.goodput.median)), figure(leader))
        }
        leaders => {
            let names: Vec<&str> = leaders.iter().map(|leader| leader.protocol.as_str()).collect();
            let figures: Vec<String> = leaders
                .iter()
                .map(|leader| {
                    let median = rate(leader.goodput.median);
                    format!("{} {median} MiB/s {}", leader.protocol, figure(leader))
                })
                .collect();
            let why = if leaders.iter().all(|leader| leader.goodput.interval.is_some()) {
                "the intervals overlap"
            } else {
                "too few runs"
            };
            let detail = format!("{}. Not told apart: {why}.", figures.join("; "));
            ("Fastest HTTP", names.join(" or "), detail)
        }
    };
    Tile { title: format!("{title} {class}{scope}"), answer, detail, command: None, tone: Tone::Plain }
}

/// Returns the range of a goodput with its chunk size, and its limits that are not at their defaults.
fn figure(leader: &Contestant) -> String {
    let Interval { low, high } = leader.goodput.range();
    let (low, high) = (rate(low), rate(high));
    let range = match leader.goodput.interval {
        Some(_) => format!("[{low}, {high}] "),
        None if low == high => String::new(),
        None => format!("({low} to {high}) "),
    };
    let limits = match leader.limits.as_str() {
        "" => String::new(),
        limits => format!(" with {limits}"),
    };
    format!("{range}at {} chunks{limits}", spaced(leader.chunk))
}

fn of_chunks(speed: &SpeedAnswer, scope: &str) -> Option<Tile> {
    let mut groups: Vec<(Option<ByteSize>, Vec<&str>)> = Vec::new();
    for of in &speed.chunks {
        match groups.iter_mut().find(|group| group.0 == of.chunk) {
            Some(group) => group.1.push(&of.protocol),
            None => groups.push((of.chunk, vec![&of.protocol])),
        }
    }
    groups.sort_by_key(|group| (group.0.is_none(), group.0));
    let text = |chunk: Option<ByteSize>| chunk.map_or_else(|| "unclear".to_owned(), spaced);
    let known: Vec<ByteSize> = groups.iter().filter_map(|group| group.0).collect();
    let is_unclear = groups.last()?.0.is_none();
    let of_groups = || -> Vec<String> {
        groups.iter().map(|(chunk, names)| format!("{}: {}", text(*chunk), names.join(", "))).collect()
    };
    let answer = match known.as_slice() {
        [] => "unclear".to_owned(),
        [chunk] if !is_unclear => spaced(*chunk),
        _ if groups.len() == 2 => of_groups().join("; "),
        _ => "depends on the protocol".to_owned(),
    };
    let each = if groups.len() > 2 { format!(": {}", of_groups().join("; ")) } else { String::new() };
    let remedy = if is_unclear { " More rounds narrow the intervals." } else { "" };
    Some(Tile {
        title: format!("Chunk that suffices{scope}"),
        answer,
        detail: format!("Smallest with 95 % of a protocol's best goodput{each}.{remedy}"),
        command: None,
        tone: Tone::Plain,
    })
}

/// Returns the tile of memory. `controls_ran` is true if the proof has controls.
fn of_memory(memory: &MemoryAnswer, controls_ran: bool) -> Tile {
    let peak = memory.peaks.iter().map(|peak| peak.bytes).max();
    let ends: Vec<String> =
        memory.peaks.iter().map(|peak| format!("{} {:.1} MiB", peak.name, mib(peak.bytes))).collect();
    let share = memory
        .budget_use
        .map_or_else(String::new, |share| format!(", at most {:.0} % of the budget", 100.0 * share));
    let peaks = format!("Peak RSS: {}{share}.", ends.join(", "));
    let most = peak.map_or_else(String::new, |peak| format!("at most {:.1} MiB", mib(peak)));
    let (answer, evidence, command, tone) = match &memory.evidence {
        MemoryEvidence::Proven { bytes_per_gib, largest, has_controls } => {
            let bound = bytes_per_gib.map_or_else(String::new, |bytes| {
                format!(": it grows by at most {:.1} KiB per GiB", (bytes / 102.4).ceil() / 10.0)
            });
            let controls = match (*has_controls, controls_ran) {
                (true, true) => " Controls showed that growth would be noticed.",
                (true, false) => "",
                (false, _) => " There were no controls, so nothing shows that growth would be noticed.",
            };
            let text = format!("Bodies up to {}{bound}.{controls}", spaced(*largest));
            ("proven constant".to_owned(), text, None, if *has_controls { Tone::Good } else { Tone::Plain })
        }
        MemoryEvidence::Refuted => (
            "not constant".to_owned(),
            "It grows with the body, or exceeds its budget.".to_owned(),
            None,
            Tone::Bad,
        ),
        MemoryEvidence::Undecided { command } => undecided("More rounds narrow the intervals", command),
        MemoryEvidence::TooSmall { command } => undecided("Larger bodies can decide it", command),
        MemoryEvidence::Unproven { command } => {
            let how =
                if command.is_some() { "Not proven constant. The proof:" } else { "Not proven constant." };
            let tone =
                if memory.budget_use.is_some_and(|share| share > 1.0) { Tone::Bad } else { Tone::Plain };
            (most, how.to_owned(), command.clone(), tone)
        }
    };
    Tile { title: "Memory".into(), answer, detail: format!("{peaks} {evidence}"), command, tone }
}

/// Returns the answer, the evidence, the command and the tone of an inconclusive proof, which another proof may decide.
fn undecided(remedy: &str, command: &Option<String>) -> (String, String, Option<String>, Tone) {
    let remedy = command.as_ref().map_or_else(String::new, |_| format!(" {remedy}:"));
    ("not decided".to_owned(), format!("The proof is inconclusive.{remedy}"), command.clone(), Tone::Bad)
}

/// Returns a size as text with a space before its unit: "64 KiB".
fn spaced(size: ByteSize) -> String {
    let text = size.to_string();
    let unit = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    format!("{number}\u{a0}{unit}")
}

/// Returns a goodput in MiB/s, with a comma between thousands.
pub(super) fn rate(bytes_per_s: f64) -> String {
    let figure = three_digits(mib_per_s(bytes_per_s));
    let (digits, decimals) = figure.split_at(figure.find('.').unwrap_or(figure.len()));
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text + decimals
}

#[cfg(test)]
mod tests;
