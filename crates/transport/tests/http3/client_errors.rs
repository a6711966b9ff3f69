//! The errors of a connection as a client reads them: SETTINGS, control streams, QPACK instructions and field sections
//! of a server (RFC 9114, RFC 9204).

use http::Method;

use super::{
    client::{connected, connected_with, exchange},
    peer::{
        CLOSED_CRITICAL_STREAM, DATA, FRAME_ERROR, FRAME_UNEXPECTED, GOAWAY, HEADERS, ID_ERROR,
        MISSING_SETTINGS, QPACK_DECODER_STREAM_ERROR, QPACK_DECOMPRESSION_FAILED, QPACK_ENCODER_STREAM_ERROR,
        SETTINGS, SETTINGS_ERROR, STREAM_CREATION_ERROR, UNKNOWN, frame, integer, response, soon,
    },
};

const CANCEL_PUSH: u64 = 0x3;
const MAX_PUSH_ID: u64 = 0xd;

/// The types of QPACK's streams (RFC 9204 section 4.2).
const ENCODER: u8 = 2;
const DECODER: u8 = 3;

/// An indexed field line of the static table: `:status: 200`.
const STATUS_200: u8 = 0xd9;

#[tokio::test]
async fn a_control_stream_begins_with_one_frame_of_settings_that_http3_knows() {
    let pair = |name, value| [integer(name), integer(value)].concat();
    let settings = |payload: &[u8]| frame(SETTINGS, payload);
    let mut cases = vec![
        (settings(&pair(6, 9).repeat(2)), SETTINGS_ERROR),
        (settings(&integer(6)), FRAME_ERROR),
        (frame(GOAWAY, &[0]), MISSING_SETTINGS),
        (frame(UNKNOWN, &[0]), MISSING_SETTINGS),
        (settings(b"").repeat(2), FRAME_UNEXPECTED),
    ];
    // Settings of HTTP/2 (RFC 9114 section 7.2.4.1).
    cases.extend((2..=5).map(|name| (settings(&pair(name, 1)), SETTINGS_ERROR)));
    for (control, code) in cases {
        let (_connection, peer, _endpoint) = connected_with(&control).await;
        assert_eq!(peer.close_code().await, code, "{control:02x?}");
    }
    let (connection, peer, _endpoint) = connected_with(&settings(&pair(0x21, 7))).await;
    assert_eq!(exchange(&connection, &peer, Method::GET, &response("200", &[])).await, Ok((200, 0)));
}

#[tokio::test]
async fn frames_of_a_servers_control_stream_are_complete_and_belong_there() {
    let goaway = |id| frame(GOAWAY, &integer(id));
    let mut cases = vec![
        // Only clients send MAX_PUSH_ID (section 7.2.7), and this client allows no push.
        (frame(MAX_PUSH_ID, &[1]), FRAME_UNEXPECTED),
        (frame(CANCEL_PUSH, &[0]), ID_ERROR),
        // The GOAWAY of a server names a request of its client (section 5.2), so its ID is 0, 4, 8 and so on, and must
        // not grow.
        (goaway(2), ID_ERROR),
        ([goaway(4), goaway(8)].concat(), ID_ERROR),
        (frame(GOAWAY, b""), FRAME_ERROR),
        (frame(GOAWAY, &[0, 0]), FRAME_ERROR),
    ];
    cases.extend([DATA, HEADERS, 0x5, 0x2, 0x6, 0x8, 0x9].map(|kind| (frame(kind, b""), FRAME_UNEXPECTED)));
    for (frames, code) in cases {
        let (_connection, mut peer, _endpoint) = connected().await;
        peer.control.write_all(&frames).await.unwrap();
        assert_eq!(peer.close_code().await, code, "{frames:02x?}");
    }
    let (_connection, mut peer, _endpoint) = connected().await;
    peer.control.finish().unwrap();
    assert_eq!(peer.close_code().await, CLOSED_CRITICAL_STREAM);
}

#[tokio::test]
async fn a_server_opens_one_stream_of_each_kind_and_no_requests() {
    for kind in [0, ENCODER, DECODER] {
        let (_connection, peer, _endpoint) = connected().await;
        let _streams = (peer.open_uni(&[kind]).await, peer.open_uni(&[kind]).await);
        assert_eq!(peer.close_code().await, STREAM_CREATION_ERROR, "{kind}");
    }
    for kind in [ENCODER, DECODER] {
        let (_connection, peer, _endpoint) = connected().await;
        peer.open_uni(&[kind]).await.finish().unwrap();
        assert_eq!(peer.close_code().await, CLOSED_CRITICAL_STREAM, "{kind}");
    }
    // A stream in both directions (section 6.1).
    let (_connection, peer, _endpoint) = connected().await;
    let _stream = peer.begin(&frame(DATA, b"")).await;
    assert_eq!(peer.close_code().await, STREAM_CREATION_ERROR);
}

#[tokio::test]
async fn instructions_of_a_server_for_a_dynamic_table_end_the_connection() {
    for (kind, instructions, code) in [
        // A table above the client's bound of 0, an entry, an entry with a literal name, and a copy of an entry.
        (ENCODER, &[0x21][..], QPACK_ENCODER_STREAM_ERROR),
        (ENCODER, &[0xc1, 1, b'x'], QPACK_ENCODER_STREAM_ERROR),
        (ENCODER, b"\x41a\x01b", QPACK_ENCODER_STREAM_ERROR),
        (ENCODER, &[0], QPACK_ENCODER_STREAM_ERROR),
        // An acknowledged section, and increments of 0 and 1.
        (DECODER, &[0x80], QPACK_DECODER_STREAM_ERROR),
        (DECODER, &[0x00], QPACK_DECODER_STREAM_ERROR),
        (DECODER, &[0x01], QPACK_DECODER_STREAM_ERROR),
    ] {
        let (_connection, peer, _endpoint) = connected().await;
        let _stream = peer.open_uni(&[&[kind], instructions].concat()).await;
        assert_eq!(peer.close_code().await, code, "{kind}: {instructions:02x?}");
    }
    let (connection, peer, _endpoint) = connected().await;
    // A table without capacity, and a cancelled stream.
    let _streams =
        (peer.open_uni(&[ENCODER, 0x20]).await, peer.open_uni(&[DECODER, 0x40, 0x7f, 0x80, 0x01]).await);
    assert_eq!(exchange(&connection, &peer, Method::GET, &response("200", &[])).await, Ok((200, 0)));
}

#[tokio::test]
async fn a_response_whose_fields_cannot_be_decoded_ends_the_connection() {
    let with = |lines: &[u8]| frame(HEADERS, &[&[0, 0, STATUS_200], lines].concat());
    for section in [
        // The static table has the entries 0 to 98 (RFC 9204 appendix A).
        with(&[0xff, 99 - 63]),
        with(b"\x5f\x54\x01x"),
        // Entries and names of the dynamic table, before and behind the base.
        with(&[0x80]),
        with(&[0x10]),
        with(b"\x40\x01x"),
        with(b"\x00\x01x"),
        // A required entry (section 4.5.1.1).
        frame(HEADERS, &[2, 0, STATUS_200]),
        // A value and an integer that are cut off, an integer over 62 bits, and no prefix.
        with(b"\x21a\x05b"),
        with(&[0xff]),
        with(&[0xff; 12]),
        frame(HEADERS, b""),
    ] {
        let (connection, peer, _endpoint) = connected().await;
        exchange(&connection, &peer, Method::GET, &section).await.unwrap_err();
        assert_eq!(peer.close_code().await, QPACK_DECOMPRESSION_FAILED, "{section:02x?}");
    }
    let (connection, peer, _endpoint) = connected().await;
    for section in [with(&[0xff, 98 - 63]), with(b"\x5f\x0e\x01x")] {
        let received = soon(exchange(&connection, &peer, Method::GET, &section)).await;
        assert_eq!(received, Ok((200, 0)), "{section:02x?}");
    }
}
