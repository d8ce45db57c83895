//! The rules of this house, as lists.

use crate::layers::Row;
use crate::modules::KnownCircle;

/// Each crate, with those of the workspace that it may use. Who is above may know who is below.
pub(crate) const LAYERS: [Row; 19] = [
    ("forms-derive", &[]),
    ("forms", &["forms-derive"]),
    ("settings", &[]),
    ("model", &["forms"]),
    ("security", &["model", "settings"]),
    ("wire", &["forms", "model", "settings"]),
    ("queue", &["model", "settings", "wire"]),
    ("store", &["forms", "model", "security", "settings", "wire"]),
    ("api", &["forms", "model", "queue", "security", "settings", "store", "tasks", "wire"]),
    ("tasks", &[]),
    ("functions", &["model", "queue", "settings", "store", "tasks", "wire"]),
    ("connectors", &["functions", "model", "security", "settings", "store", "wire"]),
    ("worker", &["connectors", "functions", "model", "queue", "security", "settings", "store", "tasks", "wire"]),
    ("private", &[]),
    (
        "cli",
        &["api", "forms", "functions", "model", "private", "queue", "security", "settings", "store", "wire", "worker"],
    ),
    ("testkit", &["model", "private", "security", "wire"]),
    ("tests", &["api", "functions", "model", "settings", "testkit", "worker"]),
    ("bench", &["model", "private"]),
    ("lint", &[]),
];

/// Means that only these crates have.
pub(crate) const MEANS: [Row; 6] = [
    ("sqlx", &["store", "testkit"]),
    ("redis", &["queue", "testkit"]),
    ("actix-web", &["api"]),
    ("reqwest", &["connectors", "testkit", "tests"]),
    ("lapin", &["connectors", "testkit"]),
    (
        "tokio",
        &[
            "api",
            "bench",
            "cli",
            "connectors",
            "functions",
            "queue",
            "settings",
            "store",
            "tasks",
            "testkit",
            "tests",
            "worker",
        ],
    ),
];

/// Modules that import each other in a circle and should not. The list only shrinks: what is no longer in a circle has to
/// leave it.
pub(crate) const KNOWN_CIRCLES: [KnownCircle; 0] = [];
