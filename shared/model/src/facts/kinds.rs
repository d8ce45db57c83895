//! Makes of the list of kinds what is known of a user, what is asked for, and what a decision writes.

/// Lists the kinds: the module of each, and its type.
macro_rules! kinds {
    ($($kind:ident: $Kind:ident),+ $(,)?) => {
        $(
            mod $kind;
            pub use $kind::*;
        )+

        /// What is known of one user: what was read, there or not, and what was decided since.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct Facts {
            /// What the user has.
            pub holdings: Holdings,
            $(
                #[doc = concat!("The facts of kind [`", stringify!($Kind), "`].")]
                pub $kind: Known<$Kind>,
            )+
        }

        /// Facts that are asked for: whose, and by which key.
        #[derive(Debug, Default)]
        pub struct Reads<'a> {
            /// The items whose holdings are asked for.
            pub holdings: Vec<(&'a UserId, ItemId)>,
            $(
                #[doc = concat!("The facts of kind [`", stringify!($Kind), "`].")]
                pub $kind: Vec<(&'a UserId, <$Kind as Fact>::Key)>,
            )+
            is_open: bool,
        }

        /// What a decision writes of one user's facts beside the holdings, in order.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct Writes {
            $(
                #[doc = concat!("The facts of kind [`", stringify!($Kind), "`].")]
                pub $kind: Vec<Write<$Kind>>,
            )+
        }

        impl Facts {
            /// The same holdings, and nothing else.
            #[must_use]
            pub fn only_holdings(self) -> Self {
                Self { holdings: self.holdings, ..Self::default() }
            }

            /// Takes over what was written.
            pub(crate) fn write(&mut self, writes: &Writes) {
                $(
                    for (key, value) in &writes.$kind {
                        self.$kind.put(key.clone(), value.clone());
                    }
                )+
            }
        }

        impl Reads<'_> {
            /// How many facts are asked for.
            #[must_use]
            pub fn len(&self) -> usize {
                self.holdings.len() $(+ self.$kind.len())+
            }

            /// In order, each once: neighbours are read one after the other.
            pub fn sort(&mut self) {
                sort(&mut self.holdings);
                $(sort(&mut self.$kind);)+
            }

            /// Forgets what is known.
            pub fn retain_unknown<'k>(&mut self, known: impl Fn(&UserId) -> Option<&'k Facts>) {
                self.holdings.retain(|(user, key)| known(user).is_none_or(|facts| !facts.holdings.is_known(key)));
                $(self.$kind.retain(|(user, key)| known(user).is_none_or(|facts| facts.$kind.get(key).is_none()));)+
            }
        }

        impl Writes {
            /// Whether there is nothing to write.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                true $(&& self.$kind.is_empty())+
            }

            /// What a record says of them, in order: the kind of each, and the text of a JSON array.
            pub fn said(&self) -> Vec<(&'static str, String)> {
                let mut said = Vec::new();
                $(
                    said.extend(self.$kind.iter().map(|(key, value)| ($Kind::CHANGE, $Kind::said(key, value))));
                )+
                said
            }
        }

        $(
            impl Kind for $Kind {
                fn known(facts: &Facts) -> &Known<Self> {
                    &facts.$kind
                }

                fn known_mut(facts: &mut Facts) -> &mut Known<Self> {
                    &mut facts.$kind
                }

                fn asked<'r, 'a>(reads: &'r Reads<'a>) -> &'r [(&'a UserId, Self::Key)] {
                    &reads.$kind
                }

                fn asked_mut<'r, 'a>(reads: &'r mut Reads<'a>) -> &'r mut Vec<(&'a UserId, Self::Key)> {
                    &mut reads.$kind
                }

                fn written(writes: &Writes) -> &[Write<Self>] {
                    &writes.$kind
                }

                fn written_mut(writes: &mut Writes) -> &mut Vec<Write<Self>> {
                    &mut writes.$kind
                }
            }
        )+
    };
}

pub(super) use kinds;
