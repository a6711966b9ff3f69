//! `longhaul prove` and `longhaul conform`: known answers.

mod cgroups;
mod conform;
mod processes;
mod proof;
mod proxy_subject;
mod server_subject;
mod subject;
mod subject_flags;
