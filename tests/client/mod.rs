//! `longhaul send` and `longhaul fetch`, against `serve` and against programs of other projects.

mod client_certificates;
mod clients;
mod curl_flags;
mod early_data;
mod expectation;
mod forms;
mod forward_proxies;
mod http1_responses;
mod http2_responses;
mod interop;
mod parallel;
mod proxies;
mod quic_farewell;
mod remote;
mod resumable_send;
mod runtimes;
mod session_resumption;
mod start_at;
mod transfer_rounds;
mod transfers;
mod unix_sockets;
