//! One peer: a ready-made definition, or a command line of the user.

use std::fmt;

use record::{Case, Direction, Protocol, Subject, printable, redacted_command};

use super::{
    definitions::{Definition, PEERS, Speech},
    fill::{Value, fill},
    installed::{self, Installed},
    words::{self, OpenQuote},
};

/// The word that is replaced by the words of the protocol in ready-made command lines.
const OF_PROTOCOL: &str = "{protocol}";

/// The path under which servers store uploads, below their root.
pub(super) const STORED: &str = "upload.bin";

/// A peer that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// There is no definition of this name.
    #[error("'{0}' is not a known peer; use {known}, or NAME=CMD for a program of yours", known = Peer::names().join(", "))]
    Unknown(String),
    /// The name is empty, or has characters that are not allowed in names.
    #[error("'{0}' is not a name of a peer; use letters, digits, dots, hyphens and underscores")]
    Name(String),
    /// The command line has no words.
    #[error("peer '{0}' has no command; use NAME=CMD, such as wget='wget -O /dev/null {{url}}'")]
    Empty(String),
    /// A quotation mark of the command line is not closed.
    #[error("the command of peer '{0}': {1}")]
    Quote(String, #[source] OpenQuote),
    /// The command line of a client has no placeholder for the address of longhaul's server.
    #[error("the command of peer '{0}' has no {{url}}, so a client cannot know its server")]
    NoUrl(String),
    /// The command line has no placeholder for an address.
    #[error(
        "the command of peer '{0}' has neither {{url}}, which makes it a client, nor {{port}}, which makes it a server"
    )]
    NoRole(String),
}

/// A program that can take the place of one end.
#[derive(Clone, Debug)]
pub struct Peer {
    name: String,
    role: Subject,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Known(&'static Definition),
    /// The command line of the user, which is the same for all protocols and directions.
    Custom(Vec<String>),
}

impl Peer {
    /// Returns all ready-made peers.
    pub fn known() -> Vec<Self> {
        PEERS.iter().map(Self::of).collect()
    }

    /// Returns the names of all ready-made peers.
    pub fn names() -> Vec<&'static str> {
        PEERS.iter().map(|definition| definition.name).collect()
    }

    fn of(definition: &'static Definition) -> Self {
        Self { name: definition.name.into(), role: definition.role, kind: Kind::Known(definition) }
    }

    /// Parses `NAME`, a ready-made peer, or `NAME=CMD`. A command with `{url}` is a client, and one with `{port}` but
    /// without `{url}` is a server. A prefix `client:` or `server:` of the command overrides this.
    ///
    /// # Errors
    /// Fails if no ready-made peer has that name, or if the command line cannot be used.
    pub fn parse(text: &str) -> Result<Self, PeerError> {
        let Some((name, command)) = text.split_once('=') else {
            let known = PEERS.iter().find(|definition| definition.name == text);
            return known.map(Self::of).ok_or_else(|| PeerError::Unknown(printable(text)));
        };
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(PeerError::Name(printable(name)));
        }
        let prefixes = [("client:", Subject::Client), ("server:", Subject::Server)];
        let given =
            prefixes.into_iter().find_map(|(prefix, role)| Some((command.strip_prefix(prefix)?, role)));
        let (command, given) = given.map_or((command, None), |(rest, role)| (rest, Some(role)));
        let words = words::split(command).map_err(|error| PeerError::Quote(name.into(), error))?;
        let has = |placeholder: &str| words.iter().any(|word| word.contains(placeholder));
        let has_url = has("{url}");
        let role = match given {
            _ if words.is_empty() => return Err(PeerError::Empty(name.into())),
            Some(Subject::Client) if !has_url && !has("{port}") => return Err(PeerError::NoUrl(name.into())),
            Some(role) => role,
            None if has_url => Subject::Client,
            None if has("{port}") => Subject::Server,
            None => return Err(PeerError::NoRole(name.into())),
        };
        Ok(Self { name: name.into(), role, kind: Kind::Custom(words) })
    }

    /// Returns the name, which records and tables state.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the role: client or server.
    pub fn role(&self) -> Subject {
        self.role
    }

    /// Returns whether the peer is a command line of the user. Only the user knows its protocols.
    pub fn is_custom(&self) -> bool {
        matches!(self.kind, Kind::Custom(_))
    }

    /// Returns whether the peer speaks a protocol. A command line of the user is taken to speak all versions of HTTP.
    /// Its server is taken to encrypt if and only if the command line has `{cert}`.
    pub fn speaks(&self, protocol: &Protocol) -> bool {
        match &self.kind {
            Kind::Known(_) => self.speech(protocol.name).is_some(),
            Kind::Custom(_) => {
                let is_served = self.role == Subject::Client || self.has("{cert}") == protocol.is_encrypted();
                protocol.is_http() && is_served
            }
        }
    }

    /// Returns the names of the protocols that the peer speaks.
    pub fn protocols(&self) -> Vec<&'static str> {
        record::PROTOCOLS.iter().filter(|row| self.speaks(row)).map(|row| row.name).collect()
    }

    /// Returns whether the peer carries bodies in a direction. A client of the user uploads if its command line has `{file}`,
    /// `{size}` or `{n}`, and downloads otherwise. A server of the user is taken to do both.
    pub fn carries(&self, direction: Direction) -> bool {
        match &self.kind {
            Kind::Known(definition) => definition.command(direction).is_some(),
            Kind::Custom(_) if self.role == Subject::Server => true,
            Kind::Custom(_) => {
                let sends = ["{file}", "{size}", "{n}"].iter().any(|placeholder| self.has(placeholder));
                sends == (direction == Direction::Up)
            }
        }
    }

    /// Returns whether the peer needs files with bodies.
    pub fn needs_file(&self, direction: Direction) -> bool {
        match (self.role, direction) {
            (Subject::Client, Direction::Up) => !self.is_custom() || self.has("{file}"),
            (Subject::Server, Direction::Down) => true,
            _ => false,
        }
    }

    /// Returns whether the peer sends the bodies of a direction. Chunk sizes then have no effect.
    pub fn sends(&self, direction: Direction) -> bool {
        self.role.end(direction) == record::End::Sender
    }

    /// Returns the program on this machine; `None` if it is missing.
    pub fn installed(&self) -> Option<Installed> {
        match &self.kind {
            Kind::Known(definition) => installed::stating_version(definition.version),
            Kind::Custom(words) => Some(Installed { path: installed::find(words.first()?)?, version: None }),
        }
    }

    /// Returns the remedy if the program is missing.
    pub fn remedy(&self) -> &'static str {
        match &self.kind {
            Kind::Known(definition) => definition.remedy,
            Kind::Custom(_) => "name a program in PATH, or its path",
        }
    }

    /// Returns the work that the program does in addition to the other programs, or that it leaves out.
    pub fn remark(&self) -> &'static str {
        match &self.kind {
            Kind::Known(definition) => definition.remark,
            Kind::Custom(_) => "",
        }
    }

    /// Returns the command line of a direction with its placeholders and without secrets, on one line. `None` if the peer
    /// does not carry bodies in that direction.
    pub fn command_line(&self, direction: Direction) -> Option<String> {
        let words: Vec<String> = match &self.kind {
            Kind::Known(definition) => {
                definition.command(direction)?.iter().map(ToString::to_string).collect()
            }
            Kind::Custom(words) => words.clone(),
        };
        self.carries(direction).then(|| printable(&redacted_command(words)))
    }

    /// Returns the words of the command line of a case.
    pub(super) fn words(&self, case: &Case, values: &[Value]) -> Vec<String> {
        let of_protocol = self.speech(&case.protocol).map_or(&[] as &[&str], |speech| speech.words);
        let words: Vec<&str> = match &self.kind {
            Kind::Known(definition) => {
                let all = definition.command(case.direction).unwrap_or_default().iter();
                all.flat_map(
                    |word| if *word == OF_PROTOCOL { of_protocol } else { std::slice::from_ref(word) },
                )
                .copied()
                .collect()
            }
            Kind::Custom(words) => words.iter().map(String::as_str).collect(),
        };
        words.into_iter().map(|word| fill(word, values)).collect()
    }

    /// Returns the files that the program needs for a case, each with its name and its text.
    pub(super) fn files(&self, case: &Case, values: &[Value]) -> Vec<(&'static str, String)> {
        let Kind::Known(definition) = &self.kind else { return Vec::new() };
        let escaped = |(name, value): &Value| (*name, (definition.escape)(value));
        let values: Vec<Value> = values.iter().map(escaped).collect();
        let of_protocol = self.speech(&case.protocol).map_or(&[] as &[_], |speech| speech.values);
        let of_protocol = of_protocol.iter().map(|(name, value)| (*name, fill(value, &values)));
        let values: Vec<Value> = values.iter().cloned().chain(of_protocol).collect();
        definition.files.iter().map(|(name, text)| (*name, fill(text, &values))).collect()
    }

    /// Returns the path of the request of a case. A client without a required path requests `unguessable`.
    pub(super) fn path(&self, case: &Case, unguessable: &str) -> String {
        match (&self.kind, self.role, case.direction) {
            (Kind::Known(Definition { path: Some(path), .. }), ..) => (*path).to_owned(),
            (_, Subject::Client, _) => format!("/{unguessable}"),
            (_, _, Direction::Up) => format!("/{STORED}"),
            (_, _, Direction::Down) => format!("/{}.bin", case.body.0),
        }
    }

    fn speech(&self, protocol: &str) -> Option<&'static Speech> {
        match &self.kind {
            Kind::Known(definition) => definition.speech.iter().find(|speech| speech.protocol == protocol),
            Kind::Custom(_) => None,
        }
    }

    fn has(&self, placeholder: &str) -> bool {
        match &self.kind {
            Kind::Known(_) => false,
            Kind::Custom(words) => words.iter().any(|word| word.contains(placeholder)),
        }
    }
}

impl Definition {
    fn command(&self, direction: Direction) -> Option<&'static [&'static str]> {
        match direction {
            Direction::Up => self.up,
            Direction::Down => self.down,
        }
    }
}

/// Writes the name.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests;
