//! Processes that see another time of day than the machine: libfaketime (Debian package `faketime`).

use std::path::{Path, PathBuf};

use crate::janitor::scratch_dir;

/// Where packages put the library: `*` stands for a directory of any name.
const PLACES: [&str; 4] = [
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/opt/homebrew/lib/faketime/libfaketime.1.dylib",
    "/usr/local/lib/faketime/libfaketime.1.dylib",
];

/// The variables under which a process sees a time of day that is off by `offset`, e.g. `+1h`. Its monotonic clock,
/// by which it measures how long something takes, is the machine's.
///
/// Fails the test if libfaketime is not installed.
pub fn shifted(offset: &str) -> Vec<(&'static str, String)> {
    preloaded([("FAKETIME", offset.to_owned())])
}

/// A clock that a test sets while processes go by it. It is right at first.
pub struct Steered {
    dir: PathBuf,
}

impl Steered {
    /// A new one.
    pub fn right() -> Self {
        let clock = Self { dir: scratch_dir("clock") };
        clock.set("+0");
        clock
    }

    /// From now on it is off by `offset`, e.g. `-120` seconds or `+31d`.
    pub fn set(&self, offset: &str) {
        let new = self.dir.join("new");
        std::fs::write(&new, offset).expect("a file");
        // In one step: processes read it at any time.
        std::fs::rename(new, self.file()).expect("a file");
    }

    /// The variables under which a process goes by it.
    pub(crate) fn env(&self) -> Vec<(&'static str, String)> {
        let file = self.file().display().to_string();
        preloaded([("FAKETIME_TIMESTAMP_FILE", file), ("FAKETIME_NO_CACHE", "1".to_owned())])
    }

    fn file(&self) -> PathBuf {
        self.dir.join("offset")
    }
}

fn preloaded<const N: usize>(faked: [(&'static str, String); N]) -> Vec<(&'static str, String)> {
    let library = PLACES.iter().find_map(|place| find(place));
    let library = library.expect("libfaketime: `make test` installs it").display().to_string();
    let preload = if cfg!(target_os = "macos") {
        vec![("DYLD_INSERT_LIBRARIES", library), ("DYLD_FORCE_FLAT_NAMESPACE", "1".to_owned())]
    } else {
        vec![("LD_PRELOAD", library)]
    };
    let monotonic = ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned());
    preload.into_iter().chain(faked).chain([monotonic]).collect()
}

fn find(place: &str) -> Option<PathBuf> {
    let Some((above, below)) = place.split_once("/*/") else {
        return Some(PathBuf::from(place)).filter(|path| path.is_file());
    };
    let directories = Path::new(above).read_dir().ok()?.flatten();
    directories.map(|directory| directory.path().join(below)).find(|path| path.is_file())
}
