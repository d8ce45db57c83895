//! Where Satchel may send something: to addresses of the public Internet, and to those that the operator allows. Whoever
//! gives a URL to send to must not reach what only Satchel can.

mod addresses;
mod url;

pub use addresses::{Allowed, InvalidAllowed};
pub use url::InvalidTarget;
