//! The user's choice of cores for the two ends.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::machine::{CoreSets, parse_list};

/// The choice of cores for the two ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Affinity {
    /// One core for each thread of each end. With too few cores, threads share cores.
    #[default]
    Auto,
    /// No binding: the kernel chooses.
    Off,
    /// The cores named by the user.
    Cores(CoreSets),
}

/// The error for a text that does not name cores.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an affinity; use auto, off or SENDER:RECEIVER such as 0:1, or 0,1:2,3 for --threads 2")]
pub struct AffinityError(String);

impl Affinity {
    /// Returns the cores to use for `threads` threads of each end, or `None` to leave the choice to the kernel.
    pub fn cores(&self, threads: u32) -> Option<CoreSets> {
        match self {
            Self::Off => None,
            Self::Cores(sets) => Some(sets.clone()),
            Self::Auto => CoreSets::choose(threads),
        }
    }
}

impl FromStr for Affinity {
    type Err = AffinityError;

    fn from_str(text: &str) -> Result<Self, AffinityError> {
        let cores = |(sender, receiver): (&str, &str)| {
            CoreSets::of(parse_list(sender)?, parse_list(receiver)?).map(Self::Cores)
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
    fn affinity_parses_auto_off_and_pairs_of_sets() {
        let sets = |sender: &[usize], receiver: &[usize]| {
            Ok(Affinity::Cores(CoreSets::of(sender.to_vec(), receiver.to_vec()).unwrap()))
        };
        assert_eq!("auto".parse(), Ok(Affinity::Auto));
        assert_eq!("2:0".parse(), sets(&[2], &[0]));
        assert_eq!("0,1:2-4".parse(), sets(&[0, 1], &[2, 3, 4]));
        for wrong in ["0", "0:x", "0:", ":1", "0,:1", "0:1:2"] {
            assert!(wrong.parse::<Affinity>().is_err(), "{wrong}");
        }
    }
}
