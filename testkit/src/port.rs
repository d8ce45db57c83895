//! Free ports.

/// A port of 127.0.0.1 that nobody listens on at this moment.
pub(crate) fn free_port() -> u16 {
    satchel_private::free_port().unwrap_or_else(|error| panic!("{error}"))
}
