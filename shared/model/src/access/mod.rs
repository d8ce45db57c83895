//! Who acts, and who may do what.

mod actor;
mod permission;
mod webhook_secret;

pub use actor::{Actor, Role, Scope, Scopes};
pub use permission::{Access, Denied};
pub use webhook_secret::{InvalidWebhookSecret, WebhookSecret};
