//! The reasons for which a case did not go well.

use std::fmt;

use analyse::Conduct;
use record::Fault;

/// A conduct other than BOUNDED, with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) conduct: Conduct,
    pub(super) note: String,
}

/// The end of a case without trouble, with a remark if there is one.
pub(super) type Seen = Result<Option<String>, Trouble>;

impl Trouble {
    pub(super) fn stalled(note: impl fmt::Display) -> Self {
        Self { conduct: Conduct::Stalled, note: note.to_string() }
    }

    pub(super) fn died(note: impl fmt::Display) -> Self {
        Self { conduct: Conduct::Died, note: note.to_string() }
    }

    pub(super) fn corrupted(note: impl fmt::Display) -> Self {
        Self { conduct: Conduct::Corrupted, note: note.to_string() }
    }

    pub(super) fn not_applicable(note: impl fmt::Display) -> Self {
        Self { conduct: Conduct::NotApplicable, note: note.to_string() }
    }

    /// Accepts that the program broke off the transfer, and keeps the reason as a remark. Any other trouble stays.
    pub(super) fn forgiven(self) -> Seen {
        match self.conduct {
            Conduct::Died => Ok(Some(self.note)),
            _ => Err(self),
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::died(fault.message)
    }
}
