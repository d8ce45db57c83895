//! The pure model: what users own, what jobs do with it, and what happens then. No I/O, no clock, no randomness.
//!
//! From the bottom: [`ids`], [`access`], [`facts`], [`catalogue`], [`decide`], [`operations`], [`events`], [`ledger`],
//! [`records`], [`fold`]. None knows of those after it.

pub mod access;
pub mod catalogue;
pub mod decide;
pub mod distinct;
mod document;
pub mod events;
pub mod facts;
pub mod fold;
pub mod ids;
pub mod installation;
pub mod json;
pub mod ledger;
pub mod moment;
pub mod operations;
pub mod records;
pub mod rejection;
