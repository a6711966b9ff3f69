//! Two ends that take turns on one thread, over a pipe in memory, without sockets or timing. Equal transfers execute
//! equal instructions, and the instructions of each end can be counted separately.

use std::{hint::black_box, sync::mpsc, time::Duration};

use record::Case;
use tokio::{
    runtime::{Builder, LocalOptions, LocalRuntime},
    task::{JoinHandle, yield_now},
};
use transport::in_memory::{self, Dialing};

use crate::{
    Instruments,
    exchange::{Part, serve},
};

/// The number of bytes that the pipe holds in each direction: several chunks, like the buffer of a socket.
const PIPE: usize = 256 << 10;

/// The number of polls of an end's tasks in one turn, after which no task can make further progress.
const POLLS: usize = 16;

/// Makes one transfer over HTTP/1.1 (protocol `h1`) or HTTP/2 (any other), turn by turn.
pub fn transfer(case: &Case, instruments: Instruments) {
    let make = if case.protocol == "h1" { in_memory::http1 } else { in_memory::http2 };
    let (dialing, listening) = make(PIPE, &case.limits);
    let (client, server) = (runtime(), runtime());
    let (client_part, server_part) = Part::both(case, instruments);
    let (sender, parts) = mpsc::channel();
    sender.send(server_part).expect("a server");
    let _serving = server.spawn_local(async move {
        serve(listening.await.expect("a handshake").as_ref(), parts).await;
    });
    let transfer = client.spawn_local(run(dialing, client_part));
    while !transfer.is_finished() {
        client_turn(&client);
        server_turn(&server);
    }
    finish(&client, transfer);
}

async fn run(dialing: Dialing, part: Part) -> Duration {
    let connection = dialing.await.expect("a handshake");
    part.exchange(connection.as_ref(), "http://localhost/").await
}

fn finish(client: &LocalRuntime, transfer: JoinHandle<Duration>) {
    client.block_on(transfer).expect("a whole transfer");
}

fn runtime() -> LocalRuntime {
    let runtime = Builder::new_current_thread().enable_time().build_local(LocalOptions::default());
    runtime.expect("a runtime")
}

/// Runs a turn of the client. A profiler counts between entry and exit of this function. The black box keeps the
/// compiler from merging it with `server_turn`.
#[inline(never)]
fn client_turn(client: &LocalRuntime) {
    turn(client);
    black_box("client");
}

/// Runs a turn of the server. A profiler counts between entry and exit of this function.
#[inline(never)]
fn server_turn(server: &LocalRuntime) {
    turn(server);
    black_box("server");
}

fn turn(end: &LocalRuntime) {
    end.block_on(async {
        for _ in 0..POLLS {
            yield_now().await;
        }
    });
}
