//! Processes that see another time of day than the machine: libfaketime (Debian package `faketime`).

use std::path::{Path, PathBuf};

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
    let library = PLACES.iter().find_map(|place| find(place));
    let library = library.expect("libfaketime: `make test` installs it").display().to_string();
    let preload = if cfg!(target_os = "macos") {
        vec![("DYLD_INSERT_LIBRARIES", library), ("DYLD_FORCE_FLAT_NAMESPACE", "1".to_owned())]
    } else {
        vec![("LD_PRELOAD", library)]
    };
    let faked = [("FAKETIME", offset.to_owned()), ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned())];
    preload.into_iter().chain(faked).collect()
}

fn find(place: &str) -> Option<PathBuf> {
    let Some((above, below)) = place.split_once("/*/") else {
        return Some(PathBuf::from(place)).filter(|path| path.is_file());
    };
    let directories = Path::new(above).read_dir().ok()?.flatten();
    directories.map(|directory| directory.path().join(below)).find(|path| path.is_file())
}
