//! Makes one list of all events of Satchel's own. A name that is taken twice does not compile.

/// Lists the events: the module of each, and its type.
macro_rules! event_types {
    ($($module:ident: $Type:ident),+ $(,)?) => {
        $(
            mod $module;
            pub use $module::$Type;
        )+

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

        /// The events that tell the record of an applied job of this operation.
        fn of_operation(name: &str) -> impl Iterator<Item = Emission> {
            let all = [$(($Type::OF, $Type::of_record as fn() -> Emission)),+].into_iter();
            all.filter(move |(of, _)| *of == Some(name)).map(|(_, event)| event())
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
