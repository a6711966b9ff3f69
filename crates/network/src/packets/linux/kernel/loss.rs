//! The loss of packets.

use record::NetworkSpec;

use super::{super::ends::INTERFACE, programs};
use crate::RelayFault;

/// The mechanism that loses packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// No mechanism: no packet is to be lost.
    Nothing,
    /// The queue netem at the ports of the bridge.
    Netem,
    /// A rule at each end, for a kernel without netem.
    Rules,
}

/// The packets dropped by a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) packets: u64,
    /// The bytes of these packets, including their IP headers.
    pub(super) bytes: u64,
}

impl Loss {
    /// Returns the loss of a network on a kernel without netem.
    pub(super) fn by_rules(network: &NetworkSpec) -> Self {
        if network.loss_per_million > 0 { Self::Rules } else { Self::Nothing }
    }

    /// Makes the end in whose namespace this process is drop some of the packets that arrive there.
    ///
    /// # Errors
    /// Fails if `iptables` does.
    pub(super) fn begin(self, network: &NetworkSpec) -> Result<(), RelayFault> {
        if self == Self::Rules {
            let share = format!("{:.6}", f64::from(network.loss_per_million) / 1e6);
            let rule =
                ["-A", "INPUT", "-i", INTERFACE, "-m", "statistic", "--mode", "random", "--probability"];
            programs::run("iptables", &[&rule[..], &[&share, "-j", "DROP"]].concat())?;
        }
        Ok(())
    }

    /// Returns the packets that the rule in the namespace of this process has dropped.
    ///
    /// # Errors
    /// Fails if `iptables` does.
    pub(super) fn by_rule(self) -> Result<Lost, RelayFault> {
        match self {
            Self::Rules => Ok(parse(&programs::run("iptables", &["-v", "-S", "INPUT"])?)),
            Self::Nothing | Self::Netem => Ok(Lost::default()),
        }
    }
}

/// Reads the counts of the rule, which follow `-c`.
fn parse(printed: &str) -> Lost {
    let rule = printed.lines().find(|line| line.ends_with("-j DROP")).unwrap_or_default();
    let mut words = rule.split(' ').skip_while(|word| *word != "-c").skip(1).map(str::parse);
    match (words.next(), words.next()) {
        (Some(Ok(packets)), Some(Ok(bytes))) => Lost { packets, bytes },
        _ => Lost::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_the_rule_are_read() {
        let printed = "-P INPUT ACCEPT -c 5 60\n-A INPUT -i path0 -m statistic --mode random \
                       --probability 0.00999999978 -c 12 3456 -j DROP\n";
        assert_eq!(parse(printed), Lost { packets: 12, bytes: 3456 });
        assert_eq!(parse("-P INPUT ACCEPT -c 5 60\n"), Lost::default());
    }
}
