//! Parsers of names: of protocols, of directions, and of any other values that flags select by name.

use std::ffi::OsStr;

use clap::{
    Arg, Command,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use record::{Direction, PROTOCOLS, Protocol};

use super::values::distinct;

/// A value with the name by which a flag selects it. Values are equal if their names are equal.
#[derive(Clone, Copy)]
pub(crate) struct Named<T>(pub(crate) &'static str, pub(crate) T);

impl<T> std::fmt::Debug for Named<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl<T> PartialEq for Named<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

/// Returns a parser of the names of some values. Its error lists all names.
pub(crate) fn named<T: Copy + Send + Sync + 'static>(
    values: impl IntoIterator<Item = (&'static str, T)>,
) -> impl TypedValueParser<Value = Named<T>> {
    aliased(values.into_iter().map(|(name, value)| (PossibleValue::new(name), Named(name, value))))
}

/// Returns a parser of names with aliases. Upper case counts as lower case where the argument ignores the case.
fn aliased<T: Copy + Send + Sync + 'static>(
    values: impl IntoIterator<Item = (PossibleValue, T)>,
) -> impl TypedValueParser<Value = T> {
    let values: Vec<(PossibleValue, T)> = values.into_iter().collect();
    let names = PossibleValuesParser::new(values.iter().map(|(name, _)| name.clone()));
    names.try_map(move |text| {
        let known = values.iter().find(|(name, _)| name.matches(&text, true));
        known.map(|(_, value)| *value).ok_or_else(|| format!("'{text}' is unknown"))
    })
}

/// Other names by which a user may know a protocol.
const ALIASES: &[(&str, &[&str])] =
    &[("h1", &["http1", "http1.1", "http/1.1"]), ("h2", &["http2", "http/2"]), ("h3", &["http3", "http/3"])];

/// Returns a parser of the names of protocols.
pub(crate) fn protocol() -> impl TypedValueParser<Value = Named<&'static Protocol>> {
    aliased(PROTOCOLS.iter().map(|protocol| {
        let aliases = ALIASES.iter().filter(|(name, _)| *name == protocol.name);
        let aliases = aliases.flat_map(|(_, aliases)| aliases.iter().copied());
        (PossibleValue::new(protocol.name).aliases(aliases), Named(protocol.name, protocol))
    }))
}

/// Returns a parser of the names of all protocols. Shells complete only those with HTTP.
pub(crate) fn http_protocol() -> impl TypedValueParser<Value = Named<&'static Protocol>> {
    let names = PROTOCOLS.iter().filter(|protocol| protocol.is_http()).map(|protocol| protocol.name);
    Completed { parser: protocol(), words: names.collect() }
}

/// Returns a parser of directions: `up`, `down`, or `both`.
pub(crate) fn directions() -> impl TypedValueParser<Value = Named<&'static [Direction]>> {
    named([
        ("up", &[Direction::Up][..]),
        ("down", &[Direction::Down][..]),
        ("both", &[Direction::Up, Direction::Down][..]),
    ])
}

/// Returns the directions of a list, each once.
pub(crate) fn flattened(lists: &[Named<&'static [Direction]>]) -> Vec<Direction> {
    distinct(lists.iter().flat_map(|list| list.1.iter().copied()))
}

/// A parser for which shells complete some words. Other words are accepted as well.
#[derive(Clone)]
pub(super) struct Completed<P> {
    pub(super) parser: P,
    pub(super) words: Vec<&'static str>,
}

impl<P: TypedValueParser> TypedValueParser for Completed<P> {
    type Value = P::Value;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, text: &OsStr) -> Result<P::Value, clap::Error> {
        self.parser.parse_ref(command, arg, text)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.words.iter().copied().map(PossibleValue::new)))
    }
}
