//! Leaves nothing behind, however the test process ends.
//!
//! Statics are never dropped, and a killed process drops nothing at all. So everything on disk lives below
//! one directory per test process, and a small shell process beside it (the janitor) reads the ids of the
//! processes that were started from a pipe. When the pipe closes, because the test process ended in whatever
//! way, the janitor kills those that are left and removes the directory.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use satchel_private::temporary_parent;

/// `KILL PID` and `QUIT PID` note a process and its last signal, `- PID` forgets it, the end of input is the end of
/// the test process. Directories are removed until they stay removed: a dying process may still write.
const SCRIPT: &str = r#"
    trap '' INT TERM HUP
    notes=' '
    while read -r signal pid; do
        case "$signal" in
            -) notes=$(printf '%s' "$notes" | sed "s/ [A-Z]*:$pid / /") ;;
            *) notes="$notes$signal:$pid " ;;
        esac
    done
    for note in $notes; do kill -s "${note%:*}" "${note#*:}" 2>/dev/null; done
    tries=0
    while [ -e "$1" ] && [ $tries -lt 100 ]; do
        rm -rf "$1" 2>/dev/null
        tries=$((tries + 1))
        sleep 0.1
    done
"#;

struct Janitor {
    dir: PathBuf,
    pipe: Mutex<ChildStdin>,
    /// Outlives this process, so nobody waits for it.
    _shell: Child,
}

fn janitor() -> &'static Janitor {
    static JANITOR: OnceLock<Janitor> = OnceLock::new();
    JANITOR.get_or_init(|| {
        let dir = tempfile::Builder::new()
            .prefix("satchel-e2e-")
            .tempdir_in(temporary_parent())
            .expect("a temporary directory");
        let dir = dir.keep();
        // Postgres refuses to run as root; whoever runs it instead must be able to pass through.
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).expect("permissions");
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "janitor"])
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // A Ctrl-C at the terminal goes to its whole process group: the janitor must outlive it.
            .process_group(0)
            .spawn()
            .expect("sh");
        Janitor { dir, pipe: Mutex::new(shell.stdin.take().expect("piped")), _shell: shell }
    })
}

/// A new directory below this test process's own, gone when the process is.
pub fn scratch_dir(name: &str) -> PathBuf {
    let dir = tempfile::Builder::new()
        .prefix(&format!("{name}-"))
        .tempdir_in(&janitor().dir)
        .expect("a temporary directory")
        .keep();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    dir
}

/// Has the process killed if it outlives this one.
pub(crate) fn watch(pid: u32) {
    tell(&format!("KILL {pid}\n"));
}

/// Has a postmaster shut down at once if it outlives this process. (Killed, it would leave shared memory behind.)
pub(crate) fn watch_postgres(pid: u32) {
    tell(&format!("QUIT {pid}\n"));
}

/// The process has ended: its id may by now be another's.
pub(crate) fn forget(pid: u32) {
    tell(&format!("- {pid}\n"));
}

fn tell(line: &str) {
    janitor().pipe.lock().unwrap().write_all(line.as_bytes()).expect("the janitor listens");
}
