//! The kinds of state that decisions read and write.

mod holdings;
mod once;

pub use holdings::{Holding, Holdings, MAX_BALANCE};
pub use once::OnceKey;
