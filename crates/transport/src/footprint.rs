//! What a protocol may take of memory, computed from its limits before anything runs.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of the two ends of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// Who sends the body.
    Sender,
    /// Who receives it.
    Receiver,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
        })
    }
}

/// How bodies are laid over connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Connections at once.
    pub connections: u32,
    /// Bodies in flight on each.
    pub streams: u32,
    /// The chunk that a sender hands over at once, in bytes.
    pub chunk: u64,
    /// Whether all chunks are slices of one block, so that to hold a chunk takes no memory.
    pub shared: bool,
}

impl Shape {
    /// Connections at once.
    pub fn connections(&self) -> u64 {
        self.connections.into()
    }

    /// Bodies in flight over all connections.
    pub fn bodies(&self) -> u64 {
        u64::from(self.connections) * u64::from(self.streams)
    }

    /// The chunks that a sender has been given and refers to until they have gone: `bytes` over all
    /// connections.
    pub(crate) fn held(&self, bytes: u64, reason: &'static str) -> Option<Term> {
        (!self.shared).then(|| Term::new("payload in flight", bytes, reason))
    }
}

/// One term of a budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// What takes the memory.
    pub name: &'static str,
    /// How much it takes at most, over all connections and bodies, in bytes.
    pub bytes: u64,
    /// How the figure comes about, and where the bound stands.
    pub reason: Cow<'static, str>,
}

impl Term {
    /// A term of `bytes` for the `reason` given.
    pub fn new(name: &'static str, bytes: u64, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { name, bytes, reason: reason.into() }
    }
}
