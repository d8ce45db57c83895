//! Where a document is being read.

use super::Pointer;

/// A place in a document that is being read. It costs nothing to make, since nearly all values are right: a [`Pointer`] is
/// made of it where there is a fault.
#[derive(Debug, Clone, Copy)]
pub struct At<'a>(Step<'a>);

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Start(&'a Pointer),
    Field(&'a At<'a>, &'a str),
    Index(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    /// Where reading starts.
    #[must_use]
    pub fn new(start: &'a Pointer) -> Self {
        Self(Step::Start(start))
    }

    /// The member `name` below this place.
    #[must_use]
    pub fn field(&'a self, name: &'a str) -> Self {
        Self(Step::Field(self, name))
    }

    /// The element `index` below this place.
    #[must_use]
    pub fn index(&'a self, index: usize) -> Self {
        Self(Step::Index(self, index))
    }

    /// The place as a pointer.
    #[must_use]
    pub fn pointer(&self) -> Pointer {
        match self.0 {
            Step::Start(pointer) => pointer.clone(),
            Step::Field(above, name) => above.pointer().field(name),
            Step::Index(above, index) => above.pointer().index(index),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_pointer_that_leads_to_it() {
        let start = Pointer::root().index(3);
        let at = At::new(&start);
        let (items, name) = (at.field("items"), "a/b~".to_owned());
        assert_eq!(items.index(0).field(&name).pointer().as_str(), "/3/items/0/a~1b~0");
        assert_eq!(at.pointer(), start);
    }
}
