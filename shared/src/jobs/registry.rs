//! Makes one [`Work`](super::Work) of all job types. A name that is taken twice does not compile.

/// Lists the job types.
macro_rules! job_types {
    ($($Type:ident),+ $(,)?) => {
        /// What one job does.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum Work {
            $(
                #[doc = concat!("See [`", stringify!($Type), "`].")]
                $Type(Tagged<$Type>),
            )+
        }

        /// A job type's fields with its name in front.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        pub struct Tagged<T> {
            #[serde(rename = "type")]
            name: &'static str,
            /// The type's own fields.
            #[serde(flatten)]
            pub fields: T,
        }

        $(
            impl From<$Type> for Work {
                fn from(fields: $Type) -> Self {
                    Self::$Type(Tagged { name: $Type::TYPE, fields })
                }
            }
        )+

        impl Work {
            /// The names of all job types.
            pub const TYPES: &'static [&'static str] = &[$($Type::TYPE),+];

            /// Takes the fields of the job type called `name`; `None` if there is none of that name or a
            /// field is at fault (which is then noted).
            pub(super) fn read(name: &str, fields: &mut Fields<'_>) -> Option<Self> {
                match name {
                    $($Type::TYPE => $Type::read(fields).map(Self::from),)+
                    _ => None,
                }
            }

            /// The name of the job's type.
            #[must_use]
            pub fn type_name(&self) -> &'static str {
                match self { $(Self::$Type(_) => $Type::TYPE,)+ }
            }

            /// Who may submit it.
            #[must_use]
            pub fn submit_rule(&self) -> SubmitRule {
                match self { $(Self::$Type(_) => $Type::SUBMIT,)+ }
            }

            /// See [`JobType::touched`].
            pub fn touched<'a>(&'a self, catalogue: &'a Catalogue, touch: &mut dyn FnMut(&'a ItemId)) {
                match self { $(Self::$Type(job) => job.fields.touched(catalogue, touch),)+ }
            }

            /// See [`JobType::plan`].
            ///
            /// # Errors
            /// A [`Rejection`] if the rules of the game refuse the job.
            pub fn plan(&self, holdings: &Holdings, catalogue: &Catalogue) -> Result<Plan, Rejection> {
                match self { $(Self::$Type(job) => job.fields.plan(holdings, catalogue),)+ }
            }
        }

        const _: () = $crate::jobs::registry::assert_distinct(Work::TYPES);
    };
}

pub(super) use job_types;

/// Fails the build if a name comes twice.
#[expect(clippy::indexing_slicing, reason = "iterators and get() are not const; it runs while compiling")]
pub(super) const fn assert_distinct(names: &[&str]) {
    let mut i = 0;
    while i < names.len() {
        let mut j = i + 1;
        while j < names.len() {
            assert!(!same(names[i].as_bytes(), names[j].as_bytes()), "two job types have the same name");
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
    #[should_panic(expected = "two job types have the same name")]
    fn a_name_taken_twice_is_refused() {
        assert_distinct(&["a", "b", "a"]);
    }
}
