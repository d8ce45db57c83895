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

        impl<C: ?Sized> Fields<C> for Work {
            fn take(members: &mut Members<'_>, context: &mut C, faults: &mut Faults) -> Option<Self> {
                let name = members
                    .required("type", faults, |node, at, faults| read_text(node, at, faults, Self::find_type));
                match name {
                    $(Some($Type::TYPE) => $Type::take(members, context, faults).map(Self::from),)+
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
                object.alternatives(vec![$({
                    let mut alternative = ObjectSchema::of::<$Type>(generator);
                    alternative.tag("type", $Type::TYPE, "");
                    alternative
                }),+]);
            }
        }

        impl Work {
            /// The names of all job types.
            pub const TYPES: &'static [&'static str] = &[$($Type::TYPE),+];

            /// The name of a job type, if it is one.
            ///
            /// # Errors
            /// Which names there are.
            pub fn find_type(name: &str) -> Result<&'static str, String> {
                let found = Self::TYPES.iter().copied().find(|known| *known == name);
                found.ok_or_else(|| format!("must be one of {}", Self::TYPES.join(", ")))
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

            /// See [`JobType::once_keys`].
            #[must_use]
            pub fn once_keys(&self, catalogue: &Catalogue) -> Vec<OnceKey> {
                match self { $(Self::$Type(job) => job.fields.once_keys(catalogue),)+ }
            }

            /// See [`JobType::checks`].
            #[must_use]
            pub fn checks(&self, catalogue: &Catalogue) -> u64 {
                match self { $(Self::$Type(job) => job.fields.checks(catalogue),)+ }
            }

            /// See [`JobType::plan`].
            ///
            /// # Errors
            /// A [`Rejection`] if the rules of the game refuse the job.
            pub fn plan(&self, holdings: &Holdings, catalogue: &Catalogue) -> Result<Plan, Rejection> {
                match self { $(Self::$Type(job) => job.fields.plan(holdings, catalogue),)+ }
            }
        }

        const _: () = $crate::distinct::assert_distinct(Work::TYPES);
    };
}

pub(super) use job_types;
