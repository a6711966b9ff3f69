//! Prints the allocator and its settings in force: `cargo run -p longhaul-allocator --example in_force`.
#![allow(clippy::print_stdout, reason = "printing is all it does")]

fn main() -> Result<(), longhaul_allocator::Error> {
    println!("{}", longhaul_allocator::in_force()?);
    Ok(())
}
