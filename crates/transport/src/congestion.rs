//! The congestion controllers of TCP and QUIC.

use record::{CONGESTION, Limits};

use crate::{Error, settings::choice_unless_auto};

/// A congestion controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Congestion {
    /// CUBIC (RFC 9438), the default of quinn and of TCP in Linux.
    Cubic,
    /// NewReno (RFC 9002 section 7); TCP has `reno` instead.
    NewReno,
    /// BBR. quinn implements version 1, and calls it experimental.
    Bbr,
}

impl Congestion {
    /// Returns the controller that the limits name; `None` for `auto`.
    ///
    /// # Errors
    /// Fails if the word cannot be used.
    pub(crate) fn from_limits(limits: &Limits) -> Result<Option<Self>, Error> {
        let known = [("cubic", Self::Cubic), ("newreno", Self::NewReno), ("bbr", Self::Bbr)];
        choice_unless_auto(limits, &CONGESTION, &known)
    }

    /// Returns the name of TCP's controller in Linux.
    pub(crate) fn tcp_name(self) -> &'static str {
        match self {
            Self::Cubic => "cubic",
            Self::NewReno => "reno",
            Self::Bbr => "bbr",
        }
    }
}
