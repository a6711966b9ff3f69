//! The user's choice of cores for the two ends.

use std::str::FromStr;

use crate::machine::Cores;

/// The choice of cores for the two ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Affinity {
    /// One core for each end, if there are two.
    #[default]
    Auto,
    /// No binding: the kernel chooses.
    Off,
    /// The cores named by the user.
    Cores {
        /// The core of the sender.
        sender: usize,
        /// The core of the receiver.
        receiver: usize,
    },
}

/// The error for a text that does not name cores.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an affinity; use auto, off or SENDER:RECEIVER such as 0:1")]
pub struct AffinityError(String);

impl Affinity {
    /// Returns the cores to use, or `None` to leave the choice to the kernel.
    pub fn cores(self) -> Option<Cores> {
        match self {
            Self::Off => None,
            Self::Cores { sender, receiver } => Some(Cores { sender, receiver }),
            Self::Auto => Cores::choose(),
        }
    }
}

impl FromStr for Affinity {
    type Err = AffinityError;

    fn from_str(text: &str) -> Result<Self, AffinityError> {
        let cores = |(sender, receiver): (&str, &str)| {
            Some(Self::Cores { sender: sender.parse().ok()?, receiver: receiver.parse().ok()? })
        };
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            _ => text.split_once(':').and_then(cores).ok_or_else(|| AffinityError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affinity_parses_auto_off_and_pairs() {
        assert_eq!("auto".parse(), Ok(Affinity::Auto));
        assert_eq!("2:0".parse(), Ok(Affinity::Cores { sender: 2, receiver: 0 }));
        assert!("0".parse::<Affinity>().is_err() && "0:x".parse::<Affinity>().is_err());
    }
}
