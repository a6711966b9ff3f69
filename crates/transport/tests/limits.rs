//! Limits with invalid values: every connection and listener that uses one fails.

use longhaul_transport::{
    Bind, Error, Identity, Listener, Peer, Trust, all, listen_cleartext, listen_quic, listen_secured,
};
use record::{CIPHER, Domain, H1_BUFFER, H2_FRAME, H3_RECV, LIMITS, Limit, LimitValue, Limits};

/// Returns limits read from JSON, which does not check them, with one value out of range.
fn unusable(limit: &Limit) -> Limits {
    let mut values = serde_json::to_value(Limits::default()).unwrap();
    values[limit.flag] = match limit.domain {
        Domain::Bytes { .. } => 0.into(),
        Domain::Choice(_) => "bogus".into(),
    };
    serde_json::from_value(values).unwrap()
}

fn bind() -> Bind {
    let identity = Identity::self_signed(&["localhost"]).unwrap();
    Bind::new("127.0.0.1:0".parse().unwrap()).with_identity(identity)
}

fn assert_names(limit: &Limit, error: Option<Error>) {
    let error = error.unwrap_or_else(|| panic!("--{} was accepted", limit.flag));
    let text = error.to_string();
    assert!(
        matches!(error, Error::Limit { .. }) && text.starts_with(&format!("--{}: ", limit.flag)),
        "{text}"
    );
}

#[tokio::test]
async fn every_protocol_refuses_unusable_values_of_its_limits_and_ignores_those_of_others() {
    let bind = bind();
    for transport in all() {
        for limit in LIMITS {
            let limits = unusable(limit);
            let listener = transport.listen(&bind, &limits);
            if !limit.applies_to(transport.protocol()) {
                listener.unwrap();
                continue;
            }
            assert_names(limit, listener.err());
            let peer = Peer::new("127.0.0.1:9".parse().unwrap(), "localhost", Trust::SystemRoots);
            assert_names(limit, transport.connect(&peer, &limits).await.err());
        }
    }
}

#[tokio::test]
async fn listeners_for_several_protocols_refuse_unusable_values_of_each() {
    let bind = bind();
    let refusal = |listener: Result<Box<dyn Listener>, Error>| listener.err();
    for limit in [&H1_BUFFER, &H2_FRAME] {
        assert_names(limit, refusal(listen_cleartext(&bind, &unusable(limit))));
        assert_names(limit, refusal(listen_secured(&bind, &unusable(limit))));
    }
    assert_names(&CIPHER, refusal(listen_secured(&bind, &unusable(&CIPHER))));
    assert_names(&H3_RECV, refusal(listen_quic(&bind, &unusable(&H3_RECV))));
}

#[tokio::test]
async fn a_server_of_strangers_refuses_streams_that_bound_nothing() {
    let mut limits = Limits::default();
    limits.set(&H3_RECV, LimitValue::Choice("stock".into())).unwrap();
    assert_names(&H3_RECV, listen_quic(&bind(), &limits).err());
}
