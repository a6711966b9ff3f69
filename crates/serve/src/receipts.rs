//! The receipts of uploads, for the program that embeds a server.

use std::{fmt, sync::Arc};

use receiver::Receipt;

/// A function that gets the receipt of each complete upload.
#[derive(Clone)]
pub struct Receipts(Arc<dyn Fn(&Receipt) + Send + Sync>);

impl Receipts {
    /// Wraps `taker`, which must return quickly: all transfers on its thread wait while it runs.
    pub fn to(taker: impl Fn(&Receipt) + Send + Sync + 'static) -> Self {
        Self(Arc::new(taker))
    }

    /// Calls the function with a receipt.
    pub(crate) fn hand_over(&self, receipt: &Receipt) {
        (self.0)(receipt);
    }
}

impl fmt::Debug for Receipts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipts")
    }
}
