//! Makes one type of all use rules.

/// Lists the rules: the module of each, and its type.
macro_rules! use_rules {
    ($($rule:ident: $Rule:ident),+ $(,)?) => {
        $(
            mod $rule;
            pub use $rule::*;
        )+

        /// All that a use asks of its user.
        #[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, satchel_forms::Form)]
        #[form(context = Reading)]
        pub struct UseRules {
            $(
                #[doc = concat!("See [`", stringify!($Rule), "`].")]
                #[serde(flatten)]
                pub $rule: $Rule,
            )+
        }

        impl UseRules {
            /// Whether a use costs its user something.
            #[must_use]
            pub fn takes(&self) -> bool {
                false $(|| self.$rule.takes())+
            }

            /// The other items that the rules name.
            pub fn references(&self) -> impl Iterator<Item = &ItemId> {
                std::iter::empty()$(.chain(self.$rule.references()))+
            }

            /// See [`UseRule::reads`].
            pub fn reads<'a>(&self, usage: &Usage<'a>, reads: &mut Reads<'a>) {
                $(self.$rule.reads(usage, reads);)+
            }

            /// See [`UseRule::check`].
            ///
            /// # Errors
            /// The first rule's that refuses.
            pub fn check(&self, usage: &Usage<'_>, draft: &mut impl UseDraft) -> Result<(), Rejection> {
                $(self.$rule.check(usage, draft)?;)+
                Ok(())
            }
        }
    };
}

pub(super) use use_rules;
