//! How many of an item one job moves.

use std::borrow::Cow;
use std::fmt;

use satchel_forms::{Form, integer_schema};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};

/// 1 to 1,000,000,000 pieces of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Form)]
#[serde(transparent)]
#[form(integer = Self::parse)]
pub struct Quantity(i64);

/// A number that is no [`Quantity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an integer from 1 to 1000000000")]
pub struct InvalidQuantity;

impl Quantity {
    /// One piece.
    pub const ONE: Self = Self(1);
    /// The most that one job may move, in pieces.
    pub const MAX: i64 = 1_000_000_000;

    /// Parses a number of pieces.
    ///
    /// # Errors
    /// [`InvalidQuantity`] outside of 1 to [`Quantity::MAX`].
    pub fn parse(value: i64) -> Result<Self, InvalidQuantity> {
        if (1..=Self::MAX).contains(&value) { Ok(Self(value)) } else { Err(InvalidQuantity) }
    }

    /// The number of pieces.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }
}

impl JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        integer_schema(1..=Self::MAX)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
