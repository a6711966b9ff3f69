//! The unidirectional streams of a client (RFC 9114 section 6.2, RFC 9204 section 4.2).

use longhaul_transport::Error;
use quinn::TransportConfig;

use super::{
    peer::{
        CLOSED_CRITICAL_STREAM, DATA, EXCESSIVE_LOAD, FRAME_UNEXPECTED, GOAWAY, HEADERS, MISSING_SETTINGS,
        Peer, QPACK_ENCODER_STREAM_ERROR, SETTINGS, STREAM_CREATION_ERROR, UNKNOWN, connect, data, frame,
        frame_head, get, soon,
    },
    server::{Server, answering, strict},
};

#[tokio::test]
async fn a_frame_of_absurd_length_on_a_control_stream_ends_the_connection() {
    for kind in [UNKNOWN, GOAWAY] {
        let (mut peer, _reports) = answering().await;
        peer.control.write_all(&frame_head(kind, 1 << 40)).await.unwrap();
        assert_eq!(peer.close_code().await, EXCESSIVE_LOAD, "{kind:#x}");
    }
}

#[tokio::test]
async fn control_streams_bring_a_bounded_number_of_bytes_between_requests() {
    let (mut peer, _reports) = answering().await;
    while peer.control.write_all(&frame(UNKNOWN, &[0; 1000])).await.is_ok() {}
    assert_eq!(peer.close_code().await, EXCESSIVE_LOAD);
    let (peer, _reports) = answering().await;
    let mut decoder = peer.open_uni(&[3]).await;
    while decoder.write_all(&[0x40; 1000]).await.is_ok() {}
    assert_eq!(peer.close_code().await, EXCESSIVE_LOAD);
}

#[tokio::test]
async fn a_browser_may_send_a_priority_update_for_each_of_many_requests() {
    let (mut peer, _reports) = answering().await;
    for _ in 0..10 {
        peer.control.write_all(&frame(0xf0700, &[0; 20_000])).await.unwrap();
        peer.assert_goes_on().await;
    }
}

#[tokio::test]
async fn a_control_stream_begins_with_settings() {
    let server = Server::new(strict());
    for first in [frame(GOAWAY, &[0]), frame(UNKNOWN, &[0]), data(b"x")] {
        let accept = async {
            let session = soon(server.listener.accept()).await.unwrap().handshake.await.unwrap();
            let error = soon(session.accept()).await.err().unwrap();
            let text = error.to_string();
            assert!(matches!(error, Error::Refused { .. }), "{text}");
            assert!(text.contains("the control stream does not begin with SETTINGS"), "{text}");
            assert!(!text.contains("Remote"), "{text}");
        };
        let client = async {
            let config = TransportConfig::default();
            let (connection, _endpoint) = connect(server.addr(), &server.identity, config).await;
            let mut control = connection.open_uni().await.unwrap();
            control.write_all(&[vec![0], first].concat()).await.unwrap();
            let closed = soon(connection.closed()).await;
            let quinn::ConnectionError::ApplicationClosed(close) = closed else { panic!("{closed}") };
            assert_eq!(close.error_code.into_inner(), MISSING_SETTINGS);
        };
        tokio::join!(accept, client);
    }
}

#[tokio::test]
async fn frames_that_do_not_belong_to_a_control_stream_end_the_connection() {
    for kind in [SETTINGS, DATA, HEADERS, 0x5, 0x2] {
        let (mut peer, _reports) = answering().await;
        peer.control.write_all(&frame(kind, &[])).await.unwrap();
        assert_eq!(peer.close_code().await, FRAME_UNEXPECTED, "{kind:#x}");
    }
}

#[tokio::test]
async fn there_is_one_stream_of_each_kind_and_it_stays_open() {
    let with = async |streams: &[&[u8]]| {
        let (peer, reports) = answering().await;
        let mut opened = Vec::new();
        for bytes in streams {
            opened.push(peer.open_uni(bytes).await);
        }
        (peer, reports, opened)
    };
    for (streams, code) in [
        (&[&[0][..]][..], STREAM_CREATION_ERROR),
        (&[&[2], &[2]], STREAM_CREATION_ERROR),
        (&[&[3], &[3]], STREAM_CREATION_ERROR),
        // A push stream.
        (&[&[1, 0]], STREAM_CREATION_ERROR),
        // A table of 1 KiB, and an entry for it.
        (&[&[2, 0x3f, 0xe1, 0x07]], QPACK_ENCODER_STREAM_ERROR),
        (&[&[2, 0xc0, 0x00]], QPACK_ENCODER_STREAM_ERROR),
    ] {
        let (peer, _reports, _opened) = with(streams).await;
        assert_eq!(peer.close_code().await, code, "{streams:02x?}");
    }
    for kind in [2, 3] {
        let (peer, _reports, mut opened) = with(&[&[kind]]).await;
        opened[0].finish().unwrap();
        assert_eq!(peer.close_code().await, CLOSED_CRITICAL_STREAM);
    }
    let (mut peer, _reports) = answering().await;
    peer.control.reset(0_u32.into()).unwrap();
    assert_eq!(peer.close_code().await, CLOSED_CRITICAL_STREAM);
}

#[tokio::test]
async fn streams_of_unknown_types_are_stopped_and_those_without_a_type_ignored() {
    let (peer, _reports) = answering().await;
    let _encoder = peer.open_uni(&[2, 0x20]).await;
    for _ in 0..20 {
        let stream = peer.open_uni(&[0x21, 1, 2, 3]).await;
        let stopped = soon(stream.stopped()).await.unwrap().map(quinn::VarInt::into_inner);
        assert_eq!(stopped, Some(STREAM_CREATION_ERROR));
        let mut nothing = peer.open_uni(b"").await;
        nothing.finish().unwrap();
    }
    peer.assert_goes_on().await;
}

#[tokio::test]
async fn a_client_opens_few_unidirectional_streams_and_sends_no_datagrams() {
    let (peer, _reports) = answering().await;
    assert_eq!(peer.connection.max_datagram_size(), None);
    let mut open = Vec::new();
    while let Ok(stream) =
        tokio::time::timeout(std::time::Duration::from_millis(200), peer.connection.open_uni()).await
    {
        open.push(stream.unwrap());
        assert!(open.len() < 10);
    }
    assert!(open.len() >= 5, "control, QPACK, and what is reserved to be unknown");
    peer.assert_goes_on().await;
    let answer = peer.request(&get("/")).await.answer().await;
    assert_eq!(answer.unwrap().status, 200);
    drop::<Peer>(peer);
}
