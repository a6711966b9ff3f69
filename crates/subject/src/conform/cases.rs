//! The cases of the suite, and where each of them applies.

use record::{Direction, Protocol, Subject};

/// The kind of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    FastSender,
    SlowReader,
    StalledReader,
    GoneReader,
    OneStreamStalled,
    SharedWindow,
    UnreadBody,
    EarlyResponse,
    ResetMidway,
    TinyFrames,
    LargeWindow,
    PinnedHeaders,
    Trailers,
    LargerThanAnnounced,
}

/// A case of the suite.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConformCase {
    /// The name, as flags take it.
    pub name: &'static str,
    /// The description of the case in one line.
    pub summary: &'static str,
    pub(crate) kind: Kind,
    /// The sections of the standards for HTTP/1.1, HTTP/2 and HTTP/3.
    sections: [&'static str; 3],
}

/// The sections about flow control. HTTP/1.1 has none of its own, and leaves it to TCP.
const FLOW: [&str; 3] = ["RFC 9293 section 3.8.6", "RFC 9113 section 5.2", "RFC 9000 section 4"];

/// All cases.
pub static CONFORM_CASES: &[ConformCase] = &[
    ConformCase {
        name: "fast-sender",
        summary: "the sender offers a body as fast as the program takes it",
        kind: Kind::FastSender,
        sections: FLOW,
    },
    ConformCase {
        name: "slow-reader",
        summary: "the reader takes 16 MiB/s for five seconds, and then all it can",
        kind: Kind::SlowReader,
        sections: FLOW,
    },
    ConformCase {
        name: "stalled-reader",
        summary: "the reader stops after 1 MiB for the time of --stall, and then takes the rest",
        kind: Kind::StalledReader,
        sections: FLOW,
    },
    ConformCase {
        name: "gone-reader",
        summary: "eight readers leave after 1 MiB each",
        kind: Kind::GoneReader,
        sections: ["RFC 9112 section 9.6", "RFC 9113 section 5.4", "RFC 9114 section 4.1.1"],
    },
    ConformCase {
        name: "one-stream-stalled",
        summary: "one of eight bodies stands still while the other seven go on",
        kind: Kind::OneStreamStalled,
        sections: FLOW,
    },
    ConformCase {
        name: "shared-window",
        summary: "eight bodies wait for the small window of their connection, and then go on",
        kind: Kind::SharedWindow,
        sections: ["", "RFC 9113 section 6.9.1", "RFC 9000 section 4.1"],
    },
    ConformCase {
        name: "unread-body",
        summary: "a request that has no use for a body has one, in pieces of 1 KiB",
        kind: Kind::UnreadBody,
        sections: ["RFC 9112 section 9.3", "RFC 9113 section 8.1", "RFC 9114 section 4.1"],
    },
    ConformCase {
        name: "early-response",
        summary: "the response comes before the body of the request has ended",
        kind: Kind::EarlyResponse,
        sections: ["RFC 9112 section 9.6", "RFC 9113 section 8.1", "RFC 9114 section 4.1"],
    },
    ConformCase {
        name: "reset-midway",
        summary: "bodies are broken off after 1 MiB",
        kind: Kind::ResetMidway,
        sections: ["RFC 9112 section 8", "RFC 9113 section 5.4.2", "RFC 9114 section 4.1.1"],
    },
    ConformCase {
        name: "tiny-frames",
        summary: "64 KiB come in chunks or frames of one byte, some of them empty",
        kind: Kind::TinyFrames,
        sections: ["RFC 9112 section 7.1", "RFC 9113 section 10.5", "RFC 9114 section 10.5"],
    },
    ConformCase {
        name: "large-window",
        summary: "a reader with a window of 16 MiB, more than 2,048 packets, takes 32 MiB/s for three seconds",
        kind: Kind::LargeWindow,
        sections: ["", "RFC 9113 section 6.9.2", "RFC 9000 section 4.1"],
    },
    ConformCase {
        name: "pinned-headers",
        summary: "sixty-four requests with 7 KiB of header fields wait for the end of their bodies",
        kind: Kind::PinnedHeaders,
        sections: ["RFC 9110 section 5.4", "RFC 9113 section 10.5.1", "RFC 9114 section 4.2.2"],
    },
    ConformCase {
        name: "trailers",
        summary: "trailer fields follow the body",
        kind: Kind::Trailers,
        sections: ["RFC 9112 section 7.1.2", "RFC 9113 section 8.1", "RFC 9114 section 4.1"],
    },
    ConformCase {
        name: "larger-than-announced",
        summary: "the body has twice the bytes of its Content-Length",
        kind: Kind::LargerThanAnnounced,
        sections: ["RFC 9112 section 6.3", "RFC 9113 section 8.1.1", "RFC 9114 section 4.1.2"],
    },
];

/// The end of longhaul that acts out a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    /// The client of longhaul, which talks to the program (`near.rs`).
    Client,
    /// The server of longhaul, which the program talks to (`far.rs`).
    Server,
}

impl ConformCase {
    /// Returns the case with a name; `None` if there is none.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        CONFORM_CASES.iter().find(|case| case.name == name)
    }

    /// Returns the section of the standard that the case is about.
    pub fn section(&self, protocol: &Protocol) -> &'static str {
        let [http1, http2, http3] = self.sections;
        match protocol.http() {
            Some("2") => http2,
            Some("3") => http3,
            _ => http1,
        }
    }

    /// Returns the end of longhaul that acts out the case for a program in this role.
    ///
    /// # Errors
    /// Fails with the reason if the case does not apply to the program.
    pub(crate) fn actor(
        &self,
        role: Subject,
        direction: Direction,
        protocol: &Protocol,
    ) -> Result<Actor, &'static str> {
        use Kind::*;
        let is_client = role == Subject::Client;
        match (self.kind, direction) {
            (SharedWindow | LargeWindow, _) if !protocol.has_streams() => Err("HTTP/1.1 has no window"),
            (SlowReader | StalledReader | GoneReader, Direction::Up) if role == Subject::Server => {
                Err("the server itself reads uploads")
            }
            (SlowReader | StalledReader | GoneReader, Direction::Up) => Ok(Actor::Server),
            (SlowReader | StalledReader | GoneReader | LargeWindow, Direction::Down) if is_client => {
                Err("the client itself reads downloads")
            }
            (FastSender, Direction::Down) => Err("it is about uploads"),
            (FastSender, Direction::Up) if is_client => Err("the client itself sends uploads"),
            (LargeWindow, Direction::Up) if is_client => Ok(Actor::Server),
            (SharedWindow | LargeWindow, Direction::Up) => Err("the program itself grants the window"),
            (OneStreamStalled | SharedWindow | PinnedHeaders, _) if is_client => {
                Err("a command makes one transfer")
            }
            (UnreadBody | EarlyResponse | PinnedHeaders, Direction::Down) => {
                Err("it is about request bodies")
            }
            (UnreadBody | EarlyResponse, Direction::Up) if role != Subject::Server => Ok(Actor::Server),
            (ResetMidway, _) if is_client => Ok(Actor::Server),
            (TinyFrames | Trailers | LargerThanAnnounced, Direction::Up) if is_client => {
                Err("the client itself frames uploads")
            }
            (TinyFrames | Trailers | LargerThanAnnounced, Direction::Down) if role == Subject::Server => {
                Err("the server itself frames downloads")
            }
            (TinyFrames | Trailers | LargerThanAnnounced, Direction::Down) => Ok(Actor::Server),
            (LargerThanAnnounced, Direction::Up) if !protocol.has_streams() && protocol.is_encrypted() => {
                Err("as in cleartext: longhaul writes such a body over HTTP/1.1 in cleartext only")
            }
            _ => Ok(Actor::Client),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_a_name_and_applies_somewhere() {
        let roles = [Subject::Client, Subject::Server, Subject::Proxy];
        let h2 = Protocol::by_name("h2").unwrap();
        for case in CONFORM_CASES {
            assert!(std::ptr::eq(ConformCase::by_name(case.name).unwrap(), case));
            assert!(case.section(h2).starts_with("RFC"), "{}", case.name);
            let applies = roles.iter().any(|role| {
                [Direction::Up, Direction::Down]
                    .iter()
                    .any(|direction| case.actor(*role, *direction, h2).is_ok())
            });
            assert!(applies, "{}", case.name);
        }
        assert!(ConformCase::by_name("no-such").is_none());
    }

    #[test]
    fn the_reader_of_a_body_is_the_end_of_longhaul_that_is_not_the_program() {
        let actor = |name: &str, role, direction, protocol: &str| {
            let protocol = Protocol::by_name(protocol).unwrap();
            ConformCase::by_name(name).unwrap().actor(role, direction, protocol).ok()
        };
        use Direction::{Down, Up};
        assert_eq!(actor("stalled-reader", Subject::Server, Down, "h1c"), Some(Actor::Client));
        assert_eq!(actor("stalled-reader", Subject::Server, Up, "h1c"), None);
        assert_eq!(actor("stalled-reader", Subject::Proxy, Up, "h1c"), Some(Actor::Server));
        assert_eq!(actor("stalled-reader", Subject::Client, Up, "h2"), Some(Actor::Server));
        assert_eq!(actor("shared-window", Subject::Server, Down, "h1"), None);
        assert_eq!(actor("tiny-frames", Subject::Client, Down, "h1c"), Some(Actor::Server));
    }
}
