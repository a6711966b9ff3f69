//! Clients: each library in the way that is meant for large bodies, and in a way that holds the whole body in memory.

use super::{COMPILER_SLOPE, Expected, Program, Role, program};

const fn client(name: &'static str, command: &'static [&'static str], expected: Expected) -> Program {
    program(name, Role::Client, command, expected)
}

/// A client of Python with a library.
macro_rules! python {
    ($name:literal, $library:literal, $mode:literal, $expected:ident) => {
        client(
            $name,
            &["python", "{peers}/upload_with.py", $library, $mode, "{url}", "{file}"],
            Expected::$expected,
        )
        .with_modules(&[$library])
    };
}

const GO: &[&str] = &["go", "build", "-o", "{folder}/upload", "{peers}/upload.go"];
const JAVA: &[&str] = &["javac", "-d", "{folder}", "{peers}/Upload.java"];

pub(super) const CLIENTS: &[Program] = &[
    client("curl -T", &["curl", "-sSf", "-T", "{file}", "{url}"], Expected::Constant),
    client("curl -T - behind a pipe", &["sh", "-c", "curl -sSf -T - {url} <{file}"], Expected::Constant),
    client(
        "curl --data-binary",
        &["curl", "-sSf", "-X", "PUT", "--data-binary", "@{file}", "{url}"],
        Expected::Growing,
    ),
    client(
        "urllib, whole file",
        &["python", "{peers}/upload_whole.py", "{url}", "{file}"],
        Expected::Growing,
    ),
    client(
        "http.client, chunks",
        &["python", "{peers}/upload_chunked.py", "{url}", "{file}"],
        Expected::Constant,
    ),
    client(
        "the recipe's client, chunks by hand",
        &["python", "{examples}/python-upload/client.py", "{url}", "{file}"],
        Expected::Constant,
    ),
    python!("requests, chunks", "requests", "chunks", Constant),
    python!("requests, whole", "requests", "whole", Growing),
    python!("httpx, chunks", "httpx", "chunks", Constant),
    python!("httpx, whole", "httpx", "whole", Growing),
    python!("aiohttp, chunks", "aiohttp", "chunks", Constant),
    python!("aiohttp, whole", "aiohttp", "whole", Growing),
    // The heap reaches its final size only within 256 MiB of body: the peak was 74 MiB for a body of 64 MiB, and 85 MiB
    // for 256 MiB and for 1 GiB.
    client(
        "Node.js http, pipe",
        &["node", "{peers}/node.mjs", "http", "up", "{url}", "{file}"],
        Expected::Constant,
    )
    .with_sizes("256MiB,512MiB,1GiB")
    .with_slope_limit(COMPILER_SLOPE),
    // fetch clones a request in case of a redirect, and the clone's branch of the stream keeps all bytes that are sent
    // (nodejs/undici issue 4058, Node.js 20).
    client(
        "Node.js fetch, stream",
        &["node", "{peers}/upload_with.mjs", "chunks", "{url}", "{file}"],
        Expected::Growing,
    ),
    client(
        "Node.js fetch, buffer",
        &["node", "{peers}/upload_with.mjs", "whole", "{url}", "{file}"],
        Expected::Growing,
    ),
    client("Go net/http, file", &["{folder}/upload", "chunks", "{url}", "{file}"], Expected::Constant)
        .built_by(GO),
    client("Go net/http, whole", &["{folder}/upload", "whole", "{url}", "{file}"], Expected::Growing)
        .built_by(GO),
    // Without a bound on its heap, a JVM grows by the garbage that a body leaves. The file jvm.options has the details.
    client(
        "Java HttpClient, file",
        &["java", "@{peers}/jvm.options", "-cp", "{folder}", "Upload", "chunks", "{url}", "{file}"],
        Expected::Constant,
    )
    .built_by(JAVA)
    .with_slope_limit(COMPILER_SLOPE),
    client(
        "Java HttpClient, whole",
        &["java", "-cp", "{folder}", "Upload", "whole", "{url}", "{file}"],
        Expected::Growing,
    )
    .built_by(JAVA),
];
