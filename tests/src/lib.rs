//! What must hold after every end-to-end test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a violation is reported by panicking, so that the test fails there and then"
)]

pub mod invariants;
