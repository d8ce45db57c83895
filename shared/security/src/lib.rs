//! Secrets, signatures, and the addresses that may be reached.

pub mod ledger_keys;
pub mod outbound;
pub mod sealing;
pub mod token_crypto;
