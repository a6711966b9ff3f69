//! A client of this crate with servers that break the rules.

use std::{sync::Arc, time::Duration};

use http::{Method, Request};
use longhaul_transport::{Connection, Peer as Address, Trust, body, by_name};
use quinn::Endpoint;
use record::Limits;
use tokio::time::sleep;

use super::{
    peer::{
        EXCESSIVE_LOAD, FRAME_ERROR, FRAME_UNEXPECTED, GOAWAY, HEADERS, ID_ERROR, NO_ERROR, Peer, SETTINGS,
        UNKNOWN, data, frame, frame_head, head, listen, response, soon,
    },
    server::read,
};

/// Returns a connected client, and the server.
pub(crate) async fn connected() -> (Arc<dyn Connection>, Peer, Endpoint) {
    connected_with(&frame(SETTINGS, b"")).await
}

/// Returns a connected client, and the server, which has sent these bytes on its control stream.
pub(crate) async fn connected_with(control: &[u8]) -> (Arc<dyn Connection>, Peer, Endpoint) {
    let (endpoint, certificate) = listen();
    let trust = Trust::pem(&certificate).unwrap();
    let address = Address::new(endpoint.local_addr().unwrap(), "localhost", trust);
    let limits = Limits::default();
    let connect = by_name("h3").unwrap().connect(&address, &limits);
    let (connection, peer) = tokio::join!(connect, Peer::accept(&endpoint, control));
    (Arc::from(connection.unwrap()), peer, endpoint)
}

/// Sends a request, which is answered by `bytes` and the end of the stream. Returns the status and the body.
pub(crate) async fn exchange(
    connection: &Arc<dyn Connection>,
    peer: &Peer,
    method: Method,
    bytes: &[u8],
) -> Result<(u16, usize), String> {
    let request = Request::builder().method(method).uri("https://localhost/").body(body::empty()).unwrap();
    let answer = async {
        let (mut send, mut recv) = soon(peer.connection.accept_bi()).await.unwrap();
        let _ = send.write_all(bytes).await;
        let _ = send.finish();
        let _ = soon(recv.read_to_end(1 << 20)).await;
        send
    };
    let receive = async {
        let response = soon(connection.exchange(request)).await.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        Ok((status, soon(read(response.into_body())).await?))
    };
    let (received, _send) = tokio::join!(receive, answer);
    received
}

#[tokio::test]
async fn a_body_that_is_cut_is_never_a_success() {
    for (bytes, code) in [
        ([data(&[0; 500]), frame_head(0, 1000), vec![0; 500]].concat(), FRAME_ERROR),
        ([data(&[0; 500]), head(&[("a", "b")]), data(&[0; 500])].concat(), FRAME_UNEXPECTED),
    ] {
        let (connection, peer, _endpoint) = connected().await;
        let answer = [response("200", &[]), bytes].concat();
        let text = exchange(&connection, &peer, Method::GET, &answer).await.unwrap_err();
        assert!(text.contains("(H3_FRAME_") && !text.contains("Remote"), "{text}");
        assert_eq!(peer.close_code().await, code);
    }
}

#[tokio::test]
async fn a_goaway_fails_the_requests_that_it_excludes_and_no_others() {
    let (connection, mut peer, _endpoint) = connected().await;
    let request = || Request::get("https://localhost/").body(body::empty()).unwrap();
    let serve = async {
        let (mut first, _) = soon(peer.connection.accept_bi()).await.unwrap();
        let second = soon(peer.connection.accept_bi()).await.unwrap();
        peer.control.write_all(&frame(GOAWAY, &[4])).await.unwrap();
        sleep(Duration::from_millis(200)).await;
        first.write_all(&response("200", &[])).await.unwrap();
        first.finish().unwrap();
        second
    };
    let (served, rejected, _second) =
        soon(async { tokio::join!(connection.exchange(request()), connection.exchange(request()), serve) })
            .await;
    assert_eq!(served.unwrap().status(), 200);
    let text = rejected.err().unwrap().to_string();
    assert!(text.contains("the server rejected the request (GOAWAY)"), "{text}");
}

#[tokio::test]
async fn an_empty_frame_is_not_the_end_of_a_body() {
    let (connection, peer, _endpoint) = connected().await;
    let answer =
        [response("200", &[]), data(b"").repeat(9), data(&[0; 500]), data(b""), data(&[0; 500])].concat();
    assert_eq!(exchange(&connection, &peer, Method::GET, &answer).await, Ok((200, 1000)));
}

#[tokio::test]
async fn interim_responses_are_skipped() {
    let (connection, peer, _endpoint) = connected().await;
    let interim = [response("100", &[]), response("103", &[("link", "</x>")]), response("104", &[])].concat();
    let answer = [interim, response("201", &[]), data(&[0; 500])].concat();
    assert_eq!(exchange(&connection, &peer, Method::PUT, &answer).await, Ok((201, 500)));
    exchange(&connection, &peer, Method::GET, &response("101", &[])).await.unwrap_err();
    exchange(&connection, &peer, Method::GET, &response("103", &[])).await.unwrap_err();
    assert_eq!(exchange(&connection, &peer, Method::GET, &response("200", &[])).await, Ok((200, 0)));
}

#[tokio::test]
async fn malformed_responses_are_refused_and_the_connection_goes_on() {
    let (connection, peer, _endpoint) = connected().await;
    let ten = data(&[0; 10]);
    for (head, body) in [
        (response("200", &[("connection", "close")]), vec![]),
        (response("200", &[("transfer-encoding", "chunked")]), vec![]),
        (response("200", &[("content-length", "x")]), ten.clone()),
        (response("200", &[("content-length", "10"), ("content-length", "9")]), ten.clone()),
        (response("200", &[("content-length", "9")]), ten.clone()),
        (response("200", &[("content-length", "11")]), ten.clone()),
        (response("200", &[(":status", "200")]), vec![]),
        (response("200", &[(":path", "/")]), vec![]),
        (head(&[("a", "b"), (":status", "200")]), vec![]),
        (head(&[("a", "b")]), vec![]),
        (vec![], vec![]),
        (response("200", &[("large", &"x".repeat(70_000))]), vec![]),
        (response("200", &[("large", &"x".repeat(200_000))]), vec![]),
        (response("204", &[]), ten.clone()),
    ] {
        let answer = [head.clone(), body].concat();
        let text = String::from_utf8_lossy(&head[..head.len().min(80)]).into_owned();
        assert!(exchange(&connection, &peer, Method::GET, &answer).await.is_err(), "{text}");
    }
    let announced = response("200", &[("content-length", "10")]);
    assert_eq!(exchange(&connection, &peer, Method::HEAD, &announced).await, Ok((200, 0)));
    let whole = [announced, ten].concat();
    assert_eq!(exchange(&connection, &peer, Method::GET, &whole).await, Ok((200, 10)));
}

#[tokio::test]
async fn a_server_cannot_make_a_client_buffer_without_bound() {
    for (bytes, code) in [
        (frame_head(HEADERS, 1 << 40), EXCESSIVE_LOAD),
        (frame_head(UNKNOWN, 1 << 40), EXCESSIVE_LOAD),
        ([response("200", &[]), frame(UNKNOWN, &[0; 1000]).repeat(200)].concat(), EXCESSIVE_LOAD),
        // PUSH_PROMISE.
        (frame(0x5, &[0, 0, 0]), ID_ERROR),
    ] {
        let (connection, peer, _endpoint) = connected().await;
        exchange(&connection, &peer, Method::GET, &bytes).await.unwrap_err();
        assert_eq!(peer.close_code().await, code);
    }
    let (connection, peer, _endpoint) = connected().await;
    let interim = response("103", &[("a", &"x".repeat(1000))]).repeat(100);
    exchange(&connection, &peer, Method::GET, &interim).await.unwrap_err();
    assert_eq!(exchange(&connection, &peer, Method::GET, &response("200", &[])).await, Ok((200, 0)));
    let (_connection, mut peer, _endpoint) = connected().await;
    peer.control.write_all(&frame_head(UNKNOWN, 1 << 40)).await.unwrap();
    assert_eq!(peer.close_code().await, EXCESSIVE_LOAD);
    let (_connection, peer, _endpoint) = connected().await;
    let _push = peer.open_uni(&[1, 0]).await;
    assert_eq!(peer.close_code().await, ID_ERROR);
}

#[tokio::test]
async fn the_reason_of_a_server_that_closes_is_told() {
    let (connection, peer, _endpoint) = connected().await;
    let request = Request::get("https://localhost/").body(body::empty()).unwrap();
    let close = async {
        let _stream = soon(peer.connection.accept_bi()).await.unwrap();
        peer.connection.close(0x107_u32.into(), b"come back tomorrow");
    };
    let (refused, ()) = tokio::join!(soon(connection.exchange(request)), close);
    let text = refused.err().unwrap().to_string();
    assert!(text.contains("come back tomorrow"), "{text}");
}

#[tokio::test]
async fn a_client_ends_its_connection_in_good_order() {
    let (connection, peer, _endpoint) = connected().await;
    soon(connection.close()).await;
    assert_eq!(peer.close_code().await, NO_ERROR);
}
