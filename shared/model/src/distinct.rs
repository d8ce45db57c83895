//! Names in registries, which must differ.

/// Fails if a name comes twice; as a constant, it fails the build.
///
/// # Panics
/// Then.
#[expect(clippy::indexing_slicing, reason = "iterators and get() are not const; it runs while compiling")]
pub const fn assert_distinct(names: &[&str]) {
    let mut i = 0;
    while i < names.len() {
        let mut j = i + 1;
        while j < names.len() {
            assert!(!same(names[i].as_bytes(), names[j].as_bytes()), "a name is taken twice");
            j += 1;
        }
        i += 1;
    }
}

#[expect(clippy::indexing_slicing, reason = "iterators and get() are not const; it runs while compiling")]
const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_names_pass() {
        assert_distinct(&["a", "b", "ab"]);
    }

    #[test]
    #[should_panic(expected = "a name is taken twice")]
    fn a_name_taken_twice_is_refused() {
        assert_distinct(&["a", "b", "a"]);
    }
}
