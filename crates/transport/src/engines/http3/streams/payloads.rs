//! The payloads of frames on a control stream (RFC 9114 sections 7.1 and 7.2).
//!
//! h3 0.0.8 takes a payload that is too long, waits for more after one that is too short, and ignores the identifiers
//! of pushes. Neither longhaul's client nor its server uses pushes. The identifiers of GOAWAY are checked here as well,
//! since h3 sees no GOAWAY of a client.

use h3::error::Code;

use super::{
    Role,
    frames::integer,
    message::{kind, payload},
    violation::Violation,
};

/// The rules for the payloads on the control stream of a peer.
pub(super) struct Payloads {
    role: Role,
    /// The largest identifier of a push that the peer has allowed.
    most_pushes: Option<u64>,
    /// The identifier in the last GOAWAY.
    goaway: Option<u64>,
}

impl Payloads {
    /// Returns the rules for the payloads that `role` receives.
    pub(super) fn new(role: Role) -> Self {
        Self { role, most_pushes: None, goaway: None }
    }

    /// Checks a whole frame. Returns the identifier of a GOAWAY.
    ///
    /// # Errors
    /// Fails if the payload does not have exactly the fields of its type, or an identifier is not allowed.
    pub(super) fn check(&mut self, frame: &[u8]) -> Result<Option<u64>, Violation> {
        let (Some((kind, _)), payload) = (integer(frame), payload(frame)) else { return Ok(None) };
        match kind {
            kind::SETTINGS => settings(payload).map(|()| None),
            kind::GOAWAY => self.goaway(identifier(payload)?).map(Some),
            kind::MAX_PUSH_ID => self.max_push_id(identifier(payload)?).map(|()| None),
            kind::CANCEL_PUSH => {
                identifier(payload)?;
                let reason = "the end of a push that was never promised";
                Err(Violation::of_connection(Code::H3_ID_ERROR, reason))
            }
            _ => Ok(None),
        }
    }

    /// Checks the identifier of a GOAWAY (section 5.2): that of a server names a request, and none is above an earlier
    /// one.
    fn goaway(&mut self, id: u64) -> Result<u64, Violation> {
        let wrong = |reason| Err(Violation::of_connection(Code::H3_ID_ERROR, reason));
        match self.goaway.replace(id) {
            _ if self.role == Role::Client && !id.is_multiple_of(STREAM_KINDS) => {
                wrong("GOAWAY of a server does not name a request")
            }
            Some(before) if before < id => wrong("GOAWAY above an earlier one"),
            _ => Ok(id),
        }
    }

    fn max_push_id(&mut self, most: u64) -> Result<(), Violation> {
        if self.role == Role::Client {
            let reason = "MAX_PUSH_ID from a server";
            return Err(Violation::of_connection(Code::H3_FRAME_UNEXPECTED, reason));
        }
        match self.most_pushes.replace(most) {
            Some(before) if before > most => {
                Err(Violation::of_connection(Code::H3_ID_ERROR, "MAX_PUSH_ID below an earlier one"))
            }
            _ => Ok(()),
        }
    }
}

/// The number of kinds of streams, which the last two bits of an identifier tell apart. Those of requests are zero (RFC
/// 9000 section 2.1).
const STREAM_KINDS: u64 = 4;

/// The violation of a payload that has too few or too many bytes.
const WRONG_LENGTH: Violation =
    Violation::of_connection(Code::H3_FRAME_ERROR, "the payload of a frame does not have its fields alone");

/// Returns the only integer of a payload.
fn identifier(payload: &[u8]) -> Result<u64, Violation> {
    integer(payload).filter(|(_, size)| *size == payload.len()).map(|(value, _)| value).ok_or(WRONG_LENGTH)
}

/// Checks that a payload consists of pairs of integers.
fn settings(mut payload: &[u8]) -> Result<(), Violation> {
    while !payload.is_empty() {
        for _ in ["identifier", "value"] {
            let (_, size) = integer(payload).ok_or(WRONG_LENGTH)?;
            payload = payload.get(size..).unwrap_or_default();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(role: Role, frames: &[(u64, &[u8])]) -> Result<(), Code> {
        let mut payloads = Payloads::new(role);
        frames.iter().try_for_each(|(kind, payload)| {
            let frame = [&[*kind as u8, payload.len() as u8], *payload].concat();
            payloads.check(&frame).map(drop).map_err(|violation| violation.code)
        })
    }

    #[test]
    fn a_payload_has_exactly_the_fields_of_its_frame() {
        assert_eq!(Payloads::new(Role::Server).check(&[kind::GOAWAY as u8, 2, 0x40, 9]), Ok(Some(9)));
        for kind in [kind::GOAWAY, kind::MAX_PUSH_ID] {
            assert_eq!(check(Role::Server, &[(kind, &[0x40, 1])]), Ok(()));
            for wrong in [&[][..], &[0x40], &[0, 0]] {
                assert_eq!(check(Role::Server, &[(kind, wrong)]), Err(Code::H3_FRAME_ERROR), "{wrong:?}");
            }
        }
        assert_eq!(check(Role::Client, &[(kind::SETTINGS, &[6, 9, 0x40, 1, 0x40, 2])]), Ok(()));
        for wrong in [&[6][..], &[6, 0x40], &[6, 9, 1]] {
            let checked = check(Role::Client, &[(kind::SETTINGS, wrong)]);
            assert_eq!(checked, Err(Code::H3_FRAME_ERROR), "{wrong:?}");
        }
    }

    #[test]
    fn a_goaway_is_never_above_an_earlier_one_and_that_of_a_server_names_a_request() {
        let goaways = |role, ids: &[u8]| {
            let frames: Vec<_> = ids.iter().map(|id| (kind::GOAWAY, std::slice::from_ref(id))).collect();
            check(role, &frames)
        };
        for (role, ids, expected) in [
            (Role::Server, &[7, 7, 1][..], Ok(())),
            (Role::Client, &[8, 8, 0], Ok(())),
            (Role::Server, &[1, 2], Err(Code::H3_ID_ERROR)),
            (Role::Client, &[4, 8], Err(Code::H3_ID_ERROR)),
            (Role::Client, &[2], Err(Code::H3_ID_ERROR)),
        ] {
            assert_eq!(goaways(role, ids), expected, "{ids:?}");
        }
    }

    #[test]
    fn pushes_are_allowed_by_clients_alone_and_never_fewer_than_before() {
        let most = |values: &[u8]| -> Vec<Vec<u8>> { values.iter().map(|value| vec![*value]).collect() };
        let allow = |role, values: &[u8]| {
            let values = most(values);
            let frames: Vec<_> = values.iter().map(|value| (kind::MAX_PUSH_ID, &value[..])).collect();
            check(role, &frames)
        };
        assert_eq!(allow(Role::Server, &[1, 1, 2]), Ok(()));
        assert_eq!(allow(Role::Server, &[2, 1]), Err(Code::H3_ID_ERROR));
        assert_eq!(allow(Role::Client, &[1]), Err(Code::H3_FRAME_UNEXPECTED));
        for role in [Role::Server, Role::Client] {
            assert_eq!(check(role, &[(kind::CANCEL_PUSH, &[0])]), Err(Code::H3_ID_ERROR));
        }
    }
}
