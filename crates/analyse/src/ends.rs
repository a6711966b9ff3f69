//! The ends of a run whose memory is judged.

use record::{End, Record, Subject};

/// Returns the ends whose memory a record should state and a command judges.
///
/// A record of `send` or `fetch` has only the client, and a record of a program under proof only the end of the program.
/// The memory of the other program in `bench --peer` is not judged. A record of a proxy without a receiver has no end.
pub(crate) fn judged_ends(record: &Record) -> impl Iterator<Item = End> + use<> {
    let direction = record.case.direction;
    let of_subject = record.subject.map(|subject| subject.end(direction));
    let is_unknown = record.subject == Some(Subject::Proxy) && record.receiver.is_none();
    let only = match of_subject {
        Some(end) if record.peer_program.is_some() => Some(end.other()),
        None if record.peer.is_some() => Some(direction.client()),
        of_subject => of_subject,
    };
    End::ALL.into_iter().filter(move |end| !is_unknown && only.is_none_or(|only| only == *end))
}

#[cfg(test)]
mod tests {
    use record::{Direction, PeerProgram};

    use super::*;
    use crate::tests::{run, with};

    #[test]
    fn an_end_that_a_record_cannot_have_is_not_judged() {
        let ends = |edit: fn(&mut Record)| judged_ends(&with(run("h2"), edit)).collect::<Vec<_>>();
        let (sender, receiver) = (End::Sender, End::Receiver);
        assert_eq!(ends(|_| ()), [sender, receiver]);
        assert_eq!(ends(|record| record.peer = Some("https://a/".into())), [sender], "send");
        let fetch = |record: &mut Record| {
            (record.peer, record.case.direction) = (Some("https://a/".into()), Direction::Down);
        };
        assert_eq!(ends(fetch), [receiver], "fetch");
        let client = |record: &mut Record| {
            (record.peer, record.subject) = (Some("curl".into()), Some(Subject::Client));
        };
        assert_eq!(ends(client), [sender], "prove --client");
        let peer = |record: &mut Record| {
            (record.peer, record.subject) = (Some("curl".into()), Some(Subject::Client));
            record.peer_program = Some(PeerProgram { version: None, command: "curl".into() });
        };
        assert_eq!(ends(peer), [receiver], "bench --peer");
        let proxy = |record: &mut Record| (record.subject, record.receiver) = (Some(Subject::Proxy), None);
        assert_eq!(ends(proxy), [], "a proxy without a process");
    }
}
