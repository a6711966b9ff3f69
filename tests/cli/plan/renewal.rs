//! The share of a window after which a receiver renews it, as a plan reckons with it and as h2 does it.

use std::{net::TcpListener, thread};

use super::{LONG, plan};
use crate::common::http2::{
    Client, DATA, END_HEADERS, END_STREAM, Frame, HEADERS, WINDOW_UPDATE, frame, request,
};

/// The window of the stream and of the connection, in bytes.
const WINDOW: u32 = 768 << 10;

/// The bytes of a DATA frame. h2 counts whole frames, so that an update comes up to one of them late, and the answer to a PING may
/// overtake it by another one.
const FRAME: u32 = 2 << 10;

const STREAM: u32 = 1;

/// Starts a receiver of one connection that gives credit back as soon as it has read a frame. Returns its address.
fn receiver() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    thread::spawn(move || runtime.block_on(receive(listener)));
    address
}

async fn receive(listener: TcpListener) {
    let (stream, _) = tokio::net::TcpListener::from_std(listener).unwrap().accept().await.unwrap();
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let mut connection = builder.handshake::<_, bytes::Bytes>(stream).await.unwrap();
    while let Some(request) = connection.accept().await {
        // The client ends the connection without a farewell.
        let Ok((request, _response)) = request else { return };
        let mut body = request.into_body();
        tokio::spawn(async move {
            while let Some(Ok(data)) = body.data().await {
                body.flow_control().release_capacity(data.len()).unwrap();
            }
        });
    }
}

/// Returns the increments of the stream's and of the connection's window while a body of eight windows is sent.
fn increments() -> [Vec<u32>; 2] {
    let mut client = Client::connect(&receiver());
    let mut updates = client.until_pong();
    updates.clear();
    client.send(&frame(HEADERS, END_HEADERS, STREAM, &request("POST", "/", &[])));
    let data = frame(DATA, 0, STREAM, &[0; FRAME as usize]);
    for _ in 0..8 * WINDOW / FRAME {
        client.send(&data);
        updates.extend(client.until_pong());
    }
    client.send(&frame(DATA, END_STREAM, STREAM, b""));
    updates.retain(|frame| frame.kind == WINDOW_UPDATE);
    let of = |stream| updates.iter().filter(|frame| frame.stream == stream).map(Frame::number).collect();
    [of(STREAM), of(0)]
}

#[test]
fn a_plan_renews_windows_of_http_2_as_h2_does() {
    let plan = plan(&[&LONG[..], &["--memory", "64GiB", "--protocol", "h2"]].concat());
    let in_flight = plan["in_flight_bytes"].as_u64().unwrap() as f64;
    let window = plan["protocols"][0]["full"]["window_bytes"].as_u64().unwrap() as f64;
    let planned = 1.0 - in_flight / window;
    // A plan rounds its windows up to three whole frames of 16 KiB.
    let rounded = f64::from(48 << 10) / window;
    let late = 2.0 * f64::from(FRAME) / f64::from(WINDOW);
    for increments in increments() {
        assert!(increments.len() >= 20, "{increments:?}");
        for increment in increments {
            let share = f64::from(increment) / f64::from(WINDOW);
            assert!((planned - rounded..planned + late).contains(&share), "{share} instead of {planned}");
        }
    }
}
