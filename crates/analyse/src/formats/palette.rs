//! The colours, symbols and dashes of protocols, for the page and for pictures alike.
//!
//! Protocols are distinguishable without colour: no two have both the symbol and the dashes in common.

use record::ProtocolFacts;

/// A named colour, for a light and for a dark background.
pub(super) struct Colour {
    pub(super) name: &'static str,
    pub(super) light: &'static str,
    pub(super) dark: &'static str,
}

/// All colours: those of protocols, and those of text, axes and backgrounds.
pub(super) const COLOURS: [Colour; 19] = [
    colour("text", "#1b1f24", "#e6e9ed"),
    colour("quiet", "#59616b", "#a3acb7"),
    colour("axis", "#9aa2ac", "#66707c"),
    colour("grid", "#e3e6ea", "#2b3139"),
    colour("surface", "#ffffff", "#181c21"),
    colour("blue", "#1d5fc2", "#79b0ff"),
    colour("sky", "#1c78c4", "#4c8ee6"),
    colour("orange", "#ad420c", "#ff9c5c"),
    colour("amber", "#b85c14", "#d67c38"),
    colour("green", "#17794a", "#4fc78a"),
    colour("purple", "#7d559c", "#bf9fdb"),
    colour("indigo", "#5a4fcf", "#a49bff"),
    colour("ochre", "#8f6a00", "#d9b13b"),
    colour("teal", "#0b7f86", "#45c6cc"),
    colour("olive", "#5f7a12", "#b3cc5a"),
    colour("rose", "#a3487c", "#ee93c0"),
    colour("grey", "#6b737d", "#8b949f"),
    colour("slate", "#49515b", "#c3cad2"),
    colour("ink", "#1b1f25", "#f2f4f6"),
];

const fn colour(name: &'static str, light: &'static str, dark: &'static str) -> Colour {
    Colour { name, light, dark }
}

/// Returns a colour on a light background, as `#rrggbb`. An unknown name is the colour of text.
pub(super) fn light(name: &str) -> &'static str {
    COLOURS.iter().find(|colour| colour.name == name).map_or(COLOURS[0].light, |colour| colour.light)
}

/// The style of everything that is drawn of one protocol.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Style {
    /// The name of a colour.
    pub(super) colour: &'static str,
    /// The name of a symbol.
    pub(super) symbol: &'static str,
    /// The lengths of dashes and gaps in turn, in pixels; empty for a solid line.
    pub(super) dashes: Vec<u32>,
}

/// The carrier, the version of HTTP, the colour and the symbol of the protocols that longhaul is released with.
const LOOKS: [(&str, Option<&str>, &str, &str); 8] = [
    ("tcp", None, "grey", "ring"),
    ("tcp", Some("1.1"), "sky", "disc"),
    ("tcp", Some("2"), "amber", "triangle"),
    ("tls", None, "slate", "frame"),
    ("tls", Some("1.1"), "blue", "square"),
    ("tls", Some("2"), "orange", "diamond"),
    ("quic", None, "purple", "tent"),
    ("quic", Some("3"), "green", "cross"),
];

/// The carrier, the colour and the symbol of ceilings.
const CEILINGS: [(&str, &str, &str); 3] =
    [("tcp", "rose", "hourglass"), ("tls", "olive", "lozenge"), ("udp", "indigo", "wedge")];

/// All symbols. Those of [`LOOKS`] come last, so that other protocols take them last.
const SYMBOLS: [&str; 16] = [
    "hourglass",
    "lozenge",
    "wedge",
    "saltire",
    "bars",
    "basket",
    "bowtie",
    "layers",
    "disc",
    "ring",
    "square",
    "frame",
    "triangle",
    "tent",
    "diamond",
    "cross",
];

/// Returns the colours of protocols without a fixed look, by their version of HTTP.
fn hues(http: Option<&str>) -> &'static [&'static str] {
    match http {
        None => &["rose", "olive", "indigo", "grey", "slate", "purple"],
        Some("1.1") => &["indigo", "sky", "blue"],
        Some("2") => &["ochre", "amber", "orange"],
        Some("3") => &["teal", "olive", "green"],
        Some(_) => &["rose", "indigo", "ochre", "teal", "olive"],
    }
}

/// Returns the styles of protocols, in their order. A protocol without a fixed look gets a spare style, as does one
/// whose symbol is taken.
pub(super) fn styles(protocols: &[&ProtocolFacts]) -> Vec<Style> {
    let mut styles: Vec<Option<Style>> = Vec::new();
    for protocol in protocols {
        let known = known(protocol);
        let is_taken = styles
            .iter()
            .flatten()
            .any(|other| known.as_ref().is_some_and(|style| style.symbol == other.symbol));
        styles.push(known.filter(|_| !is_taken));
    }
    for (place, protocol) in protocols.iter().enumerate() {
        if styles.get(place).is_some_and(Option::is_none) {
            let used: Vec<&Style> = styles.iter().flatten().collect();
            let spare = spare(protocol, &used);
            styles[place] = Some(spare);
        }
    }
    styles.into_iter().flatten().collect()
}

fn known(protocol: &ProtocolFacts) -> Option<Style> {
    let of_ceiling = || CEILINGS.iter().find(|look| look.0 == protocol.carrier).map(|look| (look.1, look.2));
    let of_loop = || {
        let look =
            LOOKS.iter().find(|look| look.0 == protocol.carrier && look.1 == protocol.http.as_deref())?;
        Some((look.2, look.3))
    };
    let (colour, symbol) = if protocol.is_ceiling() { of_ceiling() } else { of_loop() }?;
    Some(Style { colour, symbol, dashes: dashes(protocol, 0) })
}

/// Returns a style that is not in use. Once all symbols are taken, they are used again with other dashes.
fn spare(protocol: &ProtocolFacts, used: &[&Style]) -> Style {
    let symbol = least_used(&SYMBOLS, |symbol| used.iter().filter(|style| style.symbol == symbol).count());
    let uses = used.iter().filter(|style| style.symbol == symbol).count();
    let hues = hues(protocol.http.as_deref());
    let colour = least_used(hues, |colour| used.iter().filter(|style| style.colour == colour).count());
    Style { colour, symbol, dashes: dashes(protocol, uses) }
}

/// Returns the value with the fewest uses; among several, the first.
fn least_used(values: &[&'static str], uses: impl Fn(&str) -> usize) -> &'static str {
    values.iter().copied().min_by_key(|value| uses(value)).unwrap_or_default()
}

/// Returns the dashes of a protocol: dots without HTTP, dashes over cleartext TCP, otherwise a solid line. The dashes
/// differ by the number of earlier uses of the symbol.
fn dashes(protocol: &ProtocolFacts, uses: usize) -> Vec<u32> {
    let uses = u32::try_from(uses).unwrap_or(u32::MAX / 8);
    match (&protocol.http, protocol.carrier.as_ref()) {
        (None, _) => vec![2, 3 + 2 * uses],
        (Some(_), "tcp") => vec![6 + 4 * uses, 4],
        (Some(_), _) if uses == 0 => Vec::new(),
        (Some(_), _) => {
            let mut dashes = vec![16, 3];
            (0..uses).for_each(|_| dashes.extend([2, 3]));
            dashes
        }
    }
}

#[cfg(test)]
mod tests {
    use record::PROTOCOLS;

    use super::*;

    #[test]
    fn no_two_protocols_look_alike_without_colour() {
        let mut facts: Vec<ProtocolFacts> =
            PROTOCOLS.iter().map(|protocol| ProtocolFacts::of(protocol.name)).collect();
        facts.extend((0..40).map(|other| ProtocolFacts::of(&format!("pigeon-{other}"))));
        let styles = styles(&facts.iter().collect::<Vec<_>>());
        assert_eq!(styles.len(), facts.len());
        for (place, style) in styles.iter().enumerate() {
            let alike = |other: &&Style| (other.symbol, &other.dashes) == (style.symbol, &style.dashes);
            assert_eq!(styles[..place].iter().find(alike), None, "{}", facts[place].name);
        }
    }

    #[test]
    fn a_protocol_looks_the_same_whichever_others_are_shown() {
        let (h1, h3) = (ProtocolFacts::of("h1"), ProtocolFacts::of("h3"));
        let beside = styles(&[&h1, &h3]);
        assert_eq!(beside[1], styles(&[&h3])[0]);
        let ceiling = ProtocolFacts::of("tcp-ceiling");
        assert_eq!(styles(&[&ceiling])[0], styles(&[&ProtocolFacts::of("tcp"), &ceiling])[1]);
        assert_eq!((beside[1].colour, light("green")), ("green", "#17794a"));
    }

    /// Returns the contrast of two colours, as WCAG 2.2 defines it.
    fn contrast(one: &str, other: &str) -> f64 {
        let channel = |colour: &str, at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let luminance = |colour: &str| {
            0.2126 * channel(colour, 1) + 0.7152 * channel(colour, 3) + 0.0722 * channel(colour, 5)
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn names_of_lines_are_legible_in_their_colours() {
        let surface = COLOURS.iter().find(|colour| colour.name == "surface").unwrap();
        for colour in COLOURS.iter().filter(|colour| !["axis", "grid", "surface"].contains(&colour.name)) {
            // Success criterion 1.4.3 of WCAG 2.2 asks for 4.5.
            let (light, dark) = (contrast(colour.light, surface.light), contrast(colour.dark, surface.dark));
            assert!(light >= 4.5 && dark >= 4.5, "{}: {light:.2}, {dark:.2}", colour.name);
        }
    }

    #[test]
    fn colours_differ_so_that_a_picture_can_replace_each_by_its_dark_one() {
        for (place, colour) in COLOURS.iter().enumerate() {
            assert!(COLOURS[..place].iter().all(|other| other.light != colour.light), "{}", colour.name);
        }
    }
}
