//! Makes one list of all events of Satchel's own. A name that is taken twice does not compile.

/// Lists the events.
macro_rules! event_types {
    ($($Type:ident),+ $(,)?) => {
        /// The names of all events that Satchel tells of by itself.
        pub const NAMES: &[&str] = &[$($Type::NAME),+];

        /// All of them, with their schemas.
        #[must_use]
        pub fn described() -> Vec<Described> {
            vec![$(Described {
                name: $Type::NAME,
                version: $Type::VERSION,
                description: $Type::WHEN,
                schema: schemars::schema_for!($Type),
            }),+]
        }

        /// Whether it is the name of one of them.
        #[must_use]
        pub fn is_known(name: &str) -> bool {
            NAMES.contains(&name)
        }

        const _: () = $crate::distinct::assert_distinct(NAMES);
    };
}

pub(super) use event_types;
