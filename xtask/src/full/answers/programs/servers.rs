//! Servers, each in a version that streams bodies, and in one that holds whole bodies.

use super::{COMPILER_SLOPE, Expected, Program, Role, program};

const fn server(name: &'static str, command: &'static [&'static str], expected: Expected) -> Program {
    program(name, Role::Server, command, expected)
}

const GO: &[&str] = &["go", "build", "-o", "{folder}/server", "{peers}/server.go"];
const JAVA: &[&str] = &["javac", "-d", "{folder}", "{peers}/Server.java"];
const AXUM: &[&str] = &[
    "cargo",
    "build",
    "--locked",
    "--quiet",
    "--manifest-path",
    "{crates}/axum-server/Cargo.toml",
    "--target-dir",
    "{target}/answers",
];

pub(super) const SERVERS: &[Program] = &[
    server(
        "http.server, chunks",
        &["python", "{peers}/upload_server.py", "{port}", "chunks"],
        Expected::Constant,
    ),
    server(
        "http.server, whole",
        &["python", "{peers}/upload_server.py", "{port}", "whole"],
        Expected::Growing,
    ),
    server(
        "aiohttp server, chunks",
        &["python", "{peers}/aiohttp_server.py", "{port}", "chunks"],
        Expected::Constant,
    )
    .with_modules(&["aiohttp"]),
    server(
        "aiohttp server, whole",
        &["python", "{peers}/aiohttp_server.py", "{port}", "whole"],
        Expected::Growing,
    )
    .with_modules(&["aiohttp"]),
    // All its uploads have the same name here, so only a case with a single upload at a time is possible.
    program(
        "the recipe's server, eventlet",
        Role::UploadServer,
        &["python", "{examples}/python-upload/server.py", "{folder}", "{port}"],
        Expected::Constant,
    )
    .with_modules(&["eventlet"])
    .in_cases("fast-sender"),
    // The sizes and the slope are those of the client of Node.js.
    server("Node.js server, stream", &["node", "{peers}/server.mjs", "{port}", "chunks"], Expected::Constant)
        .with_sizes("256MiB,512MiB,1GiB")
        .with_slope_limit(COMPILER_SLOPE),
    server("Node.js server, whole", &["node", "{peers}/server.mjs", "{port}", "whole"], Expected::Growing),
    server("Go net/http server, chunks", &["{folder}/server", "{port}", "chunks"], Expected::Constant)
        .built_by(GO),
    server("Go net/http server, whole", &["{folder}/server", "{port}", "whole"], Expected::Growing)
        .built_by(GO),
    server(
        "Java HttpServer, chunks",
        &["java", "@{peers}/jvm.options", "-cp", "{folder}", "Server", "{port}", "chunks"],
        Expected::Constant,
    )
    .built_by(JAVA)
    .with_slope_limit(COMPILER_SLOPE),
    server(
        "Java HttpServer, whole",
        &["java", "-cp", "{folder}", "Server", "{port}", "whole"],
        Expected::Growing,
    )
    .built_by(JAVA),
    server("axum, stream", &["{target}/answers/debug/axum-server", "{port}", "chunks"], Expected::Constant)
        .built_by(AXUM)
        .speaking("h1c,h2c"),
    server("axum, whole", &["{target}/answers/debug/axum-server", "{port}", "whole"], Expected::Growing)
        .built_by(AXUM)
        .speaking("h1c,h2c"),
];
