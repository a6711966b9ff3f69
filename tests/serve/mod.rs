//! `longhaul serve`, against clients of every kind.

mod access;
mod adversity;
mod disk_space;
mod files;
mod hostile;
mod http1_framing;
mod http2_frames;
mod http3_frames;
mod observed;
mod requests;
mod resumable;
mod resumable_rules;
mod stop;
