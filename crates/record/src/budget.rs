//! One term of a memory budget.

use std::borrow::Cow;

/// One term of a budget: the most memory that one component may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The component that takes the memory, in a few words.
    pub name: &'static str,
    /// The most memory that the component takes over all connections and bodies, in bytes.
    pub bytes: u64,
    /// The derivation of `bytes` in words, with the origin of the bound.
    pub reason: Cow<'static, str>,
}

impl Term {
    /// Creates a term of `bytes`.
    pub fn new(name: &'static str, bytes: u64, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { name, bytes, reason: reason.into() }
    }
}
