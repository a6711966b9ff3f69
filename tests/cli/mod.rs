//! The command line as people meet it: flags, texts, errors, and `longhaul plan`.

mod command_line;
mod doctor;
mod faults;
mod plan;
mod terminal;
