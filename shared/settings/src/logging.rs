//! Logs go to standard error, as text for people or JSON for collectors.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;

use super::Env;

/// How a log line looks (`SATCHEL_LOG_FORMAT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("must be text or json"),
        }
    }
}

/// Libraries that log passwords or the whole of messages, or each client's broken connection as an error; what goes wrong
/// in them is told by who uses them.
const SILENT: [&str; 3] = ["amq_protocol_tcp=off", "lapin=off", "actix_http::h1::dispatcher=off"];

/// Starts logging as `SATCHEL_LOG` (a `tracing` filter) and `SATCHEL_LOG_FORMAT` say, or `default_filter`.
/// The first call in a process wins.
pub fn init_logging(env: &mut Env, default_filter: &str) {
    let format = env.or("SATCHEL_LOG_FORMAT", LogFormat::Text);
    let filter = env.optional("SATCHEL_LOG").unwrap_or_else(|| EnvFilter::new(default_filter));
    let filter = SILENT.iter().filter_map(|silent| silent.parse().ok()).fold(filter, EnvFilter::add_directive);
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        // Where standard error is closed, telling so there would panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    // An error says that logging runs already: in `satchel dev` all parts share one process.
    let _ = match format {
        LogFormat::Text => logs.try_init(),
        LogFormat::Json => logs.json().try_init(),
    };
}
