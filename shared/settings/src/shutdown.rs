//! Being told to stop.

use std::io;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Signals within this time of the first are taken for the same wish: a terminal's Ctrl-C and a supervisor may both
/// pass it on.
const SAME_WISH: Duration = Duration::from_secs(1);

/// A token that the first SIGTERM or SIGINT cancels. A later one ends the process at once.
///
/// # Errors
/// If the signals cannot be caught.
pub fn on_signal() -> io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let cancelled = token.clone();
    tokio::spawn(async move {
        let mut first: Option<Instant> = None;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            match first {
                None => {
                    tracing::info!("told to stop");
                    first = Some(Instant::now());
                    cancelled.cancel();
                }
                Some(first) if first.elapsed() < SAME_WISH => {}
                Some(_) => {
                    tracing::warn!("told to stop a second time: stopping at once");
                    std::process::exit(130);
                }
            }
        }
    });
    Ok(token)
}
