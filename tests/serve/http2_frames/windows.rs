//! Flow control (sections 5.2, 6.5.3 and 6.9).

use std::collections::HashMap;

use super::{
    Case,
    Reaction::{Ends, Resets},
    STREAM, assert_reactions, case,
    code::{FLOW_CONTROL_ERROR, PROTOCOL_ERROR},
    download, get, put,
};
use crate::common::{
    http2::{Client, DATA, END_STREAM, Frame, PADDED, SETTINGS, WINDOW_UPDATE, frame, settings},
    server::Server,
};

/// The name of a setting (section 6.5.2).
const INITIAL_WINDOW_SIZE: u16 = 4;

/// The largest window.
const LARGEST: u32 = (1 << 31) - 1;

fn credit(stream: u32, bytes: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
}

fn window(bytes: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &settings(&[(INITIAL_WINDOW_SIZE, bytes)]))
}

fn overflows() -> Vec<Case> {
    vec![
        case(
            "a window of the connection above 2^31-1",
            "6.9.1",
            credit(0, LARGEST),
            Ends(FLOW_CONTROL_ERROR),
        ),
        case(
            "a window of a stream above 2^31-1",
            "6.9.1",
            [put(&[]), credit(STREAM, LARGEST)].concat(),
            Resets(FLOW_CONTROL_ERROR),
        ),
        case(
            "SETTINGS that raise a window above 2^31-1",
            "6.9.2",
            [put(&[]), credit(STREAM, LARGEST - 65_535), window(65_536)].concat(),
            Ends(FLOW_CONTROL_ERROR),
        ),
        case("a credit of 0 for the connection", "6.9", credit(0, 0), Ends(PROTOCOL_ERROR)),
    ]
}

#[test]
fn a_window_is_never_above_its_largest_size() {
    assert_reactions(overflows());
}

/// Returns the DATA bytes of each stream in `frames`.
fn received(frames: &[Frame]) -> HashMap<u32, usize> {
    let mut bytes = HashMap::new();
    for frame in frames.iter().filter(|frame| frame.kind == DATA) {
        *bytes.entry(frame.stream).or_default() += frame.payload.len();
    }
    bytes
}

/// Reads until the server has sent `expected` bytes of a stream. Panics if it sends more.
fn take(client: &mut Client, stream: u32, expected: usize) {
    let mut taken = 0;
    while taken < expected {
        let frame = client.next().expect("a connection that goes on");
        if (frame.kind, frame.stream) == (DATA, stream) {
            taken += frame.payload.len();
        }
    }
    assert_eq!(taken, expected);
    assert_eq!(received(&client.until_pong()), HashMap::new(), "bytes beyond the window");
}

#[test]
fn the_server_sends_what_the_window_of_the_stream_admits_and_no_more() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.cleartext());
    client.send(&[window(1), download()].concat());
    take(&mut client, STREAM, 1);
    for bytes in [1, 2, 1000] {
        client.send(&credit(STREAM, bytes));
        take(&mut client, STREAM, bytes as usize);
    }
}

#[test]
fn the_server_sends_what_the_window_of_the_connection_admits_and_no_more() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.cleartext());
    client.send(&[window(LARGEST), download()].concat());
    take(&mut client, STREAM, 65_535);
    client.send(&credit(0, 10));
    take(&mut client, STREAM, 10);
}

#[test]
fn a_setting_changes_the_windows_of_open_streams_also_below_zero() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.cleartext());
    client.send(&[window(1000), download()].concat());
    take(&mut client, STREAM, 1000);
    // The window is -900 after this, -100 with credit for 800, and 0 with credit for 100 more.
    client.send(&window(100));
    assert_eq!(received(&client.until_pong()), HashMap::new());
    client.send(&credit(STREAM, 800));
    assert_eq!(received(&client.until_pong()), HashMap::new());
    client.send(&credit(STREAM, 100));
    assert_eq!(received(&client.until_pong()), HashMap::new());
    client.send(&credit(STREAM, 7));
    take(&mut client, STREAM, 7);
    client.send(&window(150));
    take(&mut client, STREAM, 50);
    // The window of the connection stays as it was (section 6.9.2).
    client.send(&window(LARGEST));
    take(&mut client, STREAM, 65_535 - 1057);
}

/// A stream that is stopped by its own window does not stop others.
#[test]
fn another_stream_goes_on_beside_one_without_a_window() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.cleartext());
    client.send(&[window(0), download(), get(3), credit(3, 60_000)].concat());
    client.until(|frame| frame.stream == 3 && frame.ends_stream());
}

/// One frame exceeds the window, so that no speed of the server makes a difference.
#[test]
fn data_beyond_a_window_is_an_error() {
    for (args, size, expected) in [
        (["--h2-window", "1KiB"], 16_384, Resets(FLOW_CONTROL_ERROR)),
        (["--h2-frame", "1MiB"], 1 << 20, Ends(FLOW_CONTROL_ERROR)),
    ] {
        let server = Server::start(&args);
        let mut client = Client::connect(server.cleartext());
        client.send(&[put(&[]), frame(DATA, 0, STREAM, &vec![0; size])].concat());
        let seen = std::iter::from_fn(|| client.next()).find_map(|frame| super::reaction(&frame));
        assert_eq!(seen, Some(expected), "{args:?}");
    }
}

/// Padding counts: without the credit for it, an upload with much of it would stop.
#[test]
fn padding_is_credited() {
    const FRAMES: usize = 8000;
    let server = Server::start(&[]);
    let mut client = Client::connect(server.cleartext());
    client.send(&put(&[]));
    let padded = frame(DATA, PADDED, STREAM, &[&[255][..], &[7; 256], &[0; 255]].concat());
    let mut windows = [65_535, client.setting(INITIAL_WINDOW_SIZE).unwrap_or(65_535)];
    for _ in 0..FRAMES {
        while windows.iter().any(|window| *window < 512) {
            let frame = client.next().expect("a connection that goes on");
            if frame.kind == WINDOW_UPDATE {
                windows[frame.stream as usize] += frame.number();
            }
        }
        windows.iter_mut().for_each(|window| *window -= 512);
        client.send(&padded);
    }
    client.send(&frame(DATA, END_STREAM, STREAM, b""));
    client.until(|frame| frame.stream == STREAM && frame.ends_stream());
}
