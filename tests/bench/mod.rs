//! `longhaul bench`: its rows, rounds, records, networks and threads.

mod adaptive_window;
mod cost;
mod framing;
mod heap;
mod interrupted;
mod limited_by;
mod network;
mod out_of_memory;
mod peers_bench;
mod profiles;
mod records;
mod resume;
mod rounds;
mod threads;
mod two_hosts;
mod workers;
