//! The settings of criterion that benches share.

use criterion::Criterion;

/// Returns criterion. With `--quick` it draws no plots: a plot takes three seconds per case, but a quick measurement
/// takes a tenth of a second.
pub(crate) fn criterion() -> Criterion {
    let criterion = Criterion::default();
    if std::env::args().any(|argument| argument == "--quick") { criterion.without_plots() } else { criterion }
}
