//! Two ends that take turns on one thread, over a pipe in memory: no sockets and no timing, so that the same
//! transfer executes the same instructions each time, and each end's can be counted alone.

use std::{hint::black_box, time::Duration};

use tokio::{
    runtime::{Builder, Runtime},
    task::{JoinHandle, yield_now},
};
use transport::{
    Limits,
    in_memory::{self, Dialing},
};

use crate::{Job, exchange::serve};

/// What the pipe holds each way: several chunks, as a socket's buffer does.
const PIPE: usize = 256 << 10;

/// How often an end's tasks are polled in one turn: until none of them can go on.
const POLLS: usize = 16;

/// Makes one transfer over HTTP/1.1 or HTTP/2 ("h1" or "h2"), turn by turn.
pub fn transfer(protocol: &str, job: Job) {
    let make = if protocol == "h1" { in_memory::http1 } else { in_memory::http2 };
    let (dialing, listening) = make(PIPE, &Limits::default());
    let (client, server) = (runtime(), runtime());
    let _serving = server.spawn(async move {
        serve(listening.await.expect("a handshake").as_ref()).await;
    });
    let transfer = client.spawn(run(dialing, job));
    while !transfer.is_finished() {
        client_turn(&client);
        server_turn(&server);
    }
    end(&client, transfer);
}

async fn run(dialing: Dialing, job: Job) -> Duration {
    let connection = dialing.await.expect("a handshake");
    job.make(connection.as_ref(), "http://localhost").await
}

fn end(client: &Runtime, transfer: JoinHandle<Duration>) {
    client.block_on(transfer).expect("a whole transfer");
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// What the client executes: a profiler is told this name. (Were the two alike, they would be made one.)
#[inline(never)]
fn client_turn(client: &Runtime) {
    turn(client);
    black_box("client");
}

/// What the server executes, likewise.
#[inline(never)]
fn server_turn(server: &Runtime) {
    turn(server);
    black_box("server");
}

fn turn(end: &Runtime) {
    end.block_on(async {
        for _ in 0..POLLS {
            yield_now().await;
        }
    });
}
