//! Uploads over eight connections between a client and a server of several threads in one process, for a count of
//! instructions: `valgrind --tool=callgrind threads PROTOCOL THREADS MEBIBYTES`. The difference between the counts of
//! two body sizes is the number of instructions that both ends spend on the additional bytes.
#![allow(clippy::expect_used, reason = "a program that cannot run has nothing to count")]

use std::{process::ExitCode, sync::Arc};

use futures_util::{StreamExt as _, future::try_join_all, stream::FuturesUnordered};
use http::{Request, Response};
use metrics::Meter;
use receiver::SpinTime;
use record::{ByteSize, Case, ChunkSize, End, Fault, Limits, Protocol, SinkKind};
use run::{Outgoing, Threads};
use transport::{Accepted, Bind, BodyLength, Connection, Identity, Listener, Peer, Transport, Trust};

/// The name in the server's certificate.
const NAME: &str = "localhost";

/// The number of connections, and of bodies.
const CONNECTIONS: u16 = 8;

fn main() -> ExitCode {
    // The live heap is counted, as in a worker, so that this cost is part of the instructions.
    allocator::count();
    process::read_heap_by(process::HeapReader {
        bytes: || allocator::live_bytes().map(|bytes| bytes as u64),
        heap: || {
            allocator::live().map(|live| process::Heap { bytes: live.bytes as u64, ..Default::default() })
        },
        join: || {
            allocator::count_thread();
            allocator::use_own_arena().expect("an arena");
        },
    });
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [protocol, threads, mebibytes] = arguments.as_slice() else { return usage() };
    let protocol = Protocol::by_name(protocol);
    let (Some(protocol), Ok(threads), Ok(mebibytes)) = (protocol, threads.parse(), mebibytes.parse::<u64>())
    else {
        return usage();
    };
    let mut case = Case::new(protocol.name);
    (case.body, case.chunk, case.sink) = (ByteSize(mebibytes << 20), ChunkSize::DEFAULT, SinkKind::Discard);
    case.spin = None;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let threads = Threads::start(threads, &[]).expect("threads");
    runtime.block_on(transfer(&Arc::new(case), &threads)).expect("all bodies");
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: threads PROTOCOL THREADS MEBIBYTES");
    ExitCode::FAILURE
}

async fn transfer(case: &Arc<Case>, threads: &Threads) -> Result<(), Fault> {
    let transport = transport::by_name(&case.protocol).expect("an implementation");
    let identity = Identity::self_signed(&[NAME])?;
    let trust = Trust::pem(identity.certificate_pem())?;
    let bind = Bind::new(([127, 0, 0, 1], 0).into()).with_identity(identity).with_spread(threads.spread());
    let listener = transport.listen(&bind, &Limits::default())?;
    let peer = Peer::new(listener.local_addr(), NAME, trust);
    tokio::select! {
        served = serve(listener.as_ref(), case, threads) => served,
        sent = send(transport, &peer, case, threads) => sent,
    }
}

/// Serves connections, each on the thread that the listener has chosen.
async fn serve(listener: &dyn Listener, case: &Arc<Case>, threads: &Threads) -> Result<(), Fault> {
    let meters = Meter::of_threads(case.chunk.into(), None, threads.count());
    let mut sessions = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let accepted = accepted?;
                let thread = accepted.thread.unwrap_or_default();
                let meter = meters.get(thread).expect("a meter for each thread").clone();
                sessions.push(threads.run(thread, answer(accepted, case.clone(), meter)));
            }
            Some(answered) = sessions.next() => answered?,
        }
    }
}

/// Answers all uploads of a connection.
async fn answer(accepted: Accepted, case: Arc<Case>, meter: Meter) -> Result<(), Fault> {
    let session = accepted.handshake.await?;
    let spun = SpinTime::default();
    while let Ok(Some(incoming)) = session.accept().await {
        run::receive(&case, &meter, &spun, incoming.request.into_body()).await?;
        incoming.responder.respond(Response::new(transport::body::empty())).await?;
    }
    Ok(())
}

/// Opens all connections, in turn on each thread, and then sends a body over each.
async fn send(
    transport: &'static dyn Transport,
    peer: &Peer,
    case: &Arc<Case>,
    threads: &Threads,
) -> Result<(), Fault> {
    let mut connections: Vec<Box<dyn Connection>> = Vec::new();
    for (thread, ordinal) in (0..threads.count()).cycle().zip(0..CONNECTIONS) {
        let peer = peer.clone().with_ordinal(ordinal);
        let connect = async move { Ok::<_, Fault>(transport.connect(&peer, &Limits::default()).await?) };
        connections.push(threads.run(thread, connect).await?);
    }
    let target = format!("{}://{NAME}:{}/", transport.protocol().scheme(), peer.addr.port());
    let meters = Meter::of_threads(case.chunk.into(), None, threads.count());
    // Each thread has its own block, as in a worker.
    let outgoing: Vec<_> =
        meters.iter().map(|meter| Arc::new(Outgoing::prepare(case, End::Sender, meter))).collect();
    let uploads = connections.into_iter().zip((0..threads.count()).cycle()).map(|(connection, thread)| {
        let (outgoing, target) =
            (outgoing.get(thread).expect("a block for each thread").clone(), target.clone());
        let length = BodyLength(case.body.0);
        threads.run(thread, async move {
            let mut request = Request::put(target).body(outgoing.body(0)?).expect("a request");
            request.extensions_mut().insert(length);
            run::short_body(run::accepted(connection.exchange(request).await?).await?).await
        })
    });
    try_join_all(uploads).await.map(|_| ())
}
