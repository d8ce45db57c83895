//! How long the tests that are long by nature go on: for a while in `make test`, in full in `make test-long`.

/// Set, to anything, by `make test-long`.
const VARIABLE: &str = "SATCHEL_TESTS_LONG";
/// How the names of all such tests end: `make test-long` runs them by it.
const ENDING: &str = "_however_long";
/// The thread on which the test harness runs tests if it runs one at a time: it does not tell which.
const NAMELESS: &str = "main";

/// How often to do something: `short`, or `long` where there is time. `short` must still show the fault that is looked for.
///
/// Fails a test whose name does not end as `make test-long` expects it. Called from the test's own thread.
pub fn rounds(short: usize, long: usize) -> usize {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or_default();
    assert!(test == NAMELESS || test.ends_with(ENDING), "the name of {test:?} has to end in {ENDING}");
    if std::env::var_os(VARIABLE).is_some() { long } else { short }
}
