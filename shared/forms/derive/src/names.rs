//! The names of members, as `serde` makes them of Rust's.

/// A rule of `#[serde(rename_all = "…")]`, of those that are in use here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Rule {
    /// As they are.
    #[default]
    AsIs,
    /// `camelCase`
    Camel,
    /// `lowercase`
    Lower,
    /// `snake_case`
    Snake,
}

impl Rule {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "camelCase" => Self::Camel,
            "lowercase" => Self::Lower,
            "snake_case" => Self::Snake,
            _ => return None,
        })
    }

    /// The name of a field, which is written in snake case.
    pub(crate) fn of_field(self, name: &str) -> String {
        if self != Self::Camel {
            return name.to_owned();
        }
        let mut words = name.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |all, word| all + &capitalized(word))
    }

    /// The name of a variant, which is written in Pascal case.
    pub(crate) fn of_variant(self, name: &str) -> String {
        match self {
            Self::AsIs => name.to_owned(),
            Self::Lower => name.to_lowercase(),
            Self::Camel => {
                let mut rest = name.chars();
                rest.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(rest).collect()
            }
            Self::Snake => {
                let mut snake = String::new();
                for (place, letter) in name.chars().enumerate() {
                    if letter.is_ascii_uppercase() && place > 0 {
                        snake.push('_');
                    }
                    snake.push(letter.to_ascii_lowercase());
                }
                snake
            }
        }
    }
}

fn capitalized(word: &str) -> String {
    let mut rest = word.chars();
    rest.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_serde_makes() {
        assert_eq!(Rule::Camel.of_field("parked_before_date"), "parkedBeforeDate");
        assert_eq!(Rule::AsIs.of_field("item_id"), "item_id");
        let variants = [Rule::AsIs, Rule::Camel, Rule::Lower, Rule::Snake].map(|rule| rule.of_variant("SoldOut"));
        assert_eq!(variants, ["SoldOut", "soldOut", "soldout", "sold_out"]);
    }
}
