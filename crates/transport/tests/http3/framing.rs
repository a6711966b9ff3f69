//! The frames of a request, as a server handles them (RFC 9114 sections 4.1 and 7).

use super::{
    peer::{
        Answer, DATA, EXCESSIVE_LOAD, FRAME_ERROR, FRAME_UNEXPECTED, HEADERS, SETTINGS, UNKNOWN, data, frame,
        frame_head, head, put,
    },
    server::answering,
};

/// A length that exceeds any buffer.
const ABSURD: u64 = 1 << 40;

fn trailers() -> Vec<u8> {
    head(&[("checksum", "1")])
}

#[tokio::test]
async fn a_frame_of_absurd_length_ends_the_connection_at_once() {
    let begun = [put("/a", &[]), data(b"x")].concat();
    for (before, kind) in [(vec![], HEADERS), (vec![], UNKNOWN), (begun.clone(), HEADERS), (begun, UNKNOWN)] {
        let (peer, _reports) = answering().await;
        let _exchange = peer.begin(&[before, frame_head(kind, ABSURD)].concat()).await;
        assert_eq!(peer.close_code().await, EXCESSIVE_LOAD, "{kind:#x}");
    }
}

#[tokio::test]
async fn frames_without_data_end_the_connection_once_they_are_too_many() {
    for (before, filler) in [
        (vec![], frame(UNKNOWN, &[0; 1000])),
        (put("/a", &[]), frame(UNKNOWN, &[0; 1000])),
        (put("/a", &[]), data(b"").repeat(500)),
    ] {
        let (peer, _reports) = answering().await;
        let mut exchange = peer.begin(&before).await;
        while exchange.send.write_all(&filler).await.is_ok() {}
        assert_eq!(peer.close_code().await, EXCESSIVE_LOAD);
    }
}

#[tokio::test]
async fn unknown_frames_between_the_parts_of_a_message_are_ignored() {
    let (peer, _reports) = answering().await;
    let unknown = frame(UNKNOWN, &[1; 5000]);
    let parts = [
        unknown.clone(),
        put("/a", &[]),
        unknown.clone(),
        data(&[2; 3000]),
        unknown.repeat(10),
        data(&[3; 70_000]),
        unknown.clone(),
        trailers(),
        unknown,
    ];
    let answer = peer.request(&parts.concat()).await.answer().await;
    assert_eq!(answer, Ok(Answer { status: 200, body: b"73000".to_vec() }));
}

#[tokio::test]
async fn pieces_of_one_byte_make_no_difference() {
    let (peer, _reports) = answering().await;
    let parts = [frame(UNKNOWN, b"ab"), put("/a", &[]), data(b""), data(&[2; 30]), trailers()];
    let mut exchange = peer.begin(b"").await;
    for byte in parts.concat() {
        exchange.send.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    exchange.send.finish().unwrap();
    assert_eq!(exchange.answer().await, Ok(Answer { status: 200, body: b"30".to_vec() }));
}

#[tokio::test]
async fn an_empty_frame_is_not_the_end_of_a_body() {
    let (peer, _reports) = answering().await;
    for fields in [&[][..], &[("content-length", "2048")]] {
        let parts = [put("/a", fields), data(&[0; 1024]), data(b""), data(b""), data(&[0; 1024]), data(b"")];
        let answer = peer.request(&parts.concat()).await.answer().await;
        assert_eq!(answer, Ok(Answer { status: 200, body: b"2048".to_vec() }));
    }
}

#[tokio::test]
async fn a_last_frame_that_is_cut_off_is_no_end_of_a_body() {
    let cut = [frame_head(DATA, 1000), vec![0; 500]].concat();
    let in_head = frame_head(DATA, 0x1000)[..2].to_vec();
    for last in [cut, in_head, frame_head(UNKNOWN, 10), frame_head(HEADERS, 10)] {
        let (peer, mut reports) = answering().await;
        let _exchange = peer.request(&[put("/a", &[]), data(&[0; 500]), last].concat()).await;
        assert!(reports.of("/a").await.is_err());
        assert_eq!(peer.close_code().await, FRAME_ERROR);
    }
}

#[tokio::test]
async fn nothing_but_unknown_frames_may_follow_trailers() {
    for after in [data(&[0; 500]), data(b""), trailers()] {
        let (peer, mut reports) = answering().await;
        let parts = [put("/a", &[]), data(&[0; 500]), trailers(), after];
        let _exchange = peer.request(&parts.concat()).await;
        assert!(reports.of("/a").await.is_err());
        assert_eq!(peer.close_code().await, FRAME_UNEXPECTED);
    }
}

#[tokio::test]
async fn frames_that_do_not_belong_to_a_request_end_the_connection() {
    // SETTINGS, PUSH_PROMISE, GOAWAY, and a frame of HTTP/2.
    for kind in [SETTINGS, 0x5, 0x7, 0x2] {
        for before in [vec![], put("/a", &[])] {
            let (peer, _reports) = answering().await;
            let _exchange = peer.begin(&[before, frame(kind, &[0])].concat()).await;
            assert_eq!(peer.close_code().await, FRAME_UNEXPECTED, "{kind:#x}");
        }
    }
    let (peer, _reports) = answering().await;
    let _exchange = peer.begin(&data(b"x")).await;
    assert_eq!(peer.close_code().await, FRAME_UNEXPECTED);
}
