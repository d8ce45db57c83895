//! How much of each function waits, and for how long, for Prometheus.

use std::fmt::Write as _;

use satchel_store::Pool;
use satchel_store::functions::backlog::{self, FunctionInfo};

/// The gauges in Prometheus's text format; `None` while Postgres is away. Every API replica tells the same.
pub(super) async fn render(pool: &Pool) -> Option<String> {
    backlog::functions(pool).await.ok().map(|functions| text(&functions))
}

fn text(functions: &[FunctionInfo]) -> String {
    let mut text = String::new();
    gauge(&mut text, "satchel_function_backlog_runs", "Runs of a function that wait", functions, |function| {
        function.backlog.backlog.to_string()
    });
    let help = "How long the oldest run of a function has waited for its turn or another try";
    gauge(&mut text, "satchel_function_lag_seconds", help, functions, |function| {
        let lag_ms = function.backlog.lag_ms.unwrap_or_default();
        format!("{}.{:03}", lag_ms / 1_000, lag_ms % 1_000)
    });
    gauge(&mut text, "satchel_function_paused", "Whether an operator has paused a function", functions, |function| {
        u8::from(function.pause.is_paused).to_string()
    });
    text
}

fn gauge(
    text: &mut String,
    name: &str,
    help: &str,
    functions: &[FunctionInfo],
    value: impl Fn(&FunctionInfo) -> String,
) {
    // Writing to a text does not fail.
    let _ = write!(text, "# HELP {name} {help}; every API replica tells the same\n# TYPE {name} gauge\n");
    for function in functions {
        let _ = writeln!(text, "{name}{{function=\"{}\"}} {}", function.function_id, value(function));
    }
}
