//! Makes one [`Work`](super::Work) of all operations. A name that is taken twice does not compile.

/// Lists the operations: the module of each, and its type.
macro_rules! operations {
    ($($(#[$cfg:meta])? $module:ident: $Operation:ident),+ $(,)?) => {
        $(
            $(#[$cfg])?
            mod $module;
            $(#[$cfg])?
            pub use $module::*;
        )+

        /// What one job does.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum Work {
            $(
                #[doc = concat!("See [`", stringify!($Operation), "`].")]
                $(#[$cfg])?
                $Operation(Tagged<$Operation>),
            )+
        }

        /// An operation's fields with its name in front.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        pub struct Tagged<T> {
            #[serde(rename = "type")]
            name: &'static str,
            /// The operation's own fields.
            #[serde(flatten)]
            pub fields: T,
        }

        $(
            $(#[$cfg])?
            impl From<$Operation> for Work {
                fn from(fields: $Operation) -> Self {
                    Self::$Operation(Tagged { name: $Operation::NAME, fields })
                }
            }
        )+

        impl<C: ?Sized> Fields<C> for Work {
            fn take(members: &mut Members<'_>, context: &mut C, faults: &mut Faults) -> Option<Self> {
                let name = members
                    .required("type", faults, |node, at, faults| read_text(node, at, faults, Self::find_name));
                match name {
                    $($(#[$cfg])? Some($Operation::NAME) => $Operation::take(members, context, faults).map(Self::from),)+
                    // Which other fields belong to it cannot be known.
                    _ => {
                        members.leave_rest();
                        None
                    }
                }
            }
        }

        impl Described for Work {
            fn describe(object: &mut ObjectSchema, generator: &mut SchemaGenerator) {
                object.alternatives(vec![$($(#[$cfg])? {
                    let mut alternative = ObjectSchema::of::<$Operation>(generator);
                    alternative.tag("type", $Operation::NAME, "");
                    alternative
                }),+]);
            }
        }

        impl Work {
            /// The names of all operations.
            pub const NAMES: &'static [&'static str] = &[$($(#[$cfg])? $Operation::NAME),+];

            /// The name of an operation, if it is one.
            ///
            /// # Errors
            /// Which names there are.
            pub fn find_name(name: &str) -> Result<&'static str, String> {
                let found = Self::NAMES.iter().copied().find(|known| *known == name);
                found.ok_or_else(|| format!("must be one of {}", Self::NAMES.join(", ")))
            }

            /// See [`Operation::NAME`].
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $($(#[$cfg])? Self::$Operation(_) => $Operation::NAME,)+ }
            }

            /// See [`Operation::ACCESS`].
            #[must_use]
            pub fn access(&self) -> Access {
                match self { $($(#[$cfg])? Self::$Operation(_) => $Operation::ACCESS,)+ }
            }

            /// See [`Operation::ENTRANCE`].
            #[must_use]
            pub fn entrance(&self) -> Entrance {
                match self { $($(#[$cfg])? Self::$Operation(_) => $Operation::ENTRANCE,)+ }
            }

            /// See [`Operation::other_parties`].
            #[must_use]
            pub fn other_parties(&self) -> &[UserId] {
                match self { $($(#[$cfg])? Self::$Operation(job) => job.fields.other_parties(),)+ }
            }

            /// See [`Operation::reads`].
            pub fn reads<'a>(&'a self, context: &Context<'a, '_>, reads: &mut Reads<'a>) {
                match self { $($(#[$cfg])? Self::$Operation(job) => job.fields.reads(context, reads),)+ }
            }

            /// See [`Operation::checks`].
            #[must_use]
            pub fn checks(&self, catalogue: &Catalogue) -> u64 {
                match self { $($(#[$cfg])? Self::$Operation(job) => job.fields.checks(catalogue),)+ }
            }

            /// See [`Operation::decide`].
            #[must_use]
            pub fn decide(&self, mut draft: Draft<'_>) -> Verdict {
                let outcome = match self {
                    $($(#[$cfg])? Self::$Operation(job) => job.fields.decide(&mut draft).map(|outcome| raw(&outcome)),)+
                };
                draft.finish(outcome)
            }
        }

        const _: () = $crate::distinct::assert_distinct(Work::NAMES);
    };
}

pub(super) use operations;
