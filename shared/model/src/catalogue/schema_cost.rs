//! How much work checking data by a schema can be: a bound for all data, known before the schema is compiled.
//!
//! References make a graph of a schema. A subschema is applied to a value itself (`allOf`, `$ref` …) or to what is in it
//! (`properties`, `items` …). Going down, data has at most [`MAX_DATA_LEVELS`] levels, and of the subschemas for single
//! members only one meets each. So the most that all subschemas together do on any way down from the top of the data to a
//! leaf can be added up, level by level; no value of the data is worth more than that. `anyOf` over itself doubles it on
//! each level; a tree of nodes with children, which is recursive as well, does not.

mod reader;

use serde_json::{Map, Value};

/// The deepest data that is checked, in levels of arrays and objects.
pub(super) const MAX_DATA_LEVELS: usize = 32;

/// The largest compiled pattern, in bytes.
pub(super) const MAX_PATTERN_BYTES: usize = 256 * 1024;
/// The most that one value of the data may cost, in subschemas and the values in them.
const MAX_PER_VALUE: u64 = 10_000;
/// The most that one byte of text may cost, in the same unit.
const MAX_PER_BYTE: u64 = 10_000;
/// The deepest that validation may call itself.
const MAX_CALLS: u32 = 200;
/// The most subschemas that lead to others: compiling may call itself once for each.
const MAX_INNER: usize = 256;

/// A bound for the work of checking data by a schema.
#[derive(Debug, Clone)]
pub(super) struct SchemaCost {
    /// By how many levels there are below the data itself.
    reaches: Vec<Reach>,
    /// What the compiled patterns take, in bytes.
    pub(super) pattern_bytes: usize,
}

/// The most that checking some data can take, in subschemas applied to values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Work {
    /// To say whether it is valid.
    pub(super) judging: u64,
    /// To say what is wrong with it.
    pub(super) listing: u64,
}

impl SchemaCost {
    /// The bound for a schema.
    ///
    /// # Errors
    /// Why there is none, or that it is too high.
    pub(super) fn of(document: &Value) -> Result<Self, String> {
        let (graph, pattern_bytes) = Graph::of(document)?;
        let reaches = graph.reaches()?;
        let reach = reaches.last().copied().unwrap_or_default();
        let Cost { per_value, per_byte } = reach.errors;
        if per_value > MAX_PER_VALUE || per_byte > MAX_PER_BYTE {
            return Err(format!(
                "could take too long to check: a value could meet more than {MAX_PER_VALUE} subschemas, or each byte of a \
                 text too many parts of patterns. Look for subschemas that refer to each other more than once"
            ));
        }
        if reach.calls > MAX_CALLS {
            return Err(format!("must not lead from subschema to subschema more than {MAX_CALLS} times"));
        }
        Ok(Self { reaches, pattern_bytes })
    }

    /// The bound for such data; `None` if it is deeper than [`MAX_DATA_LEVELS`].
    pub(super) fn work(&self, data: &Map<String, Value>) -> Option<Work> {
        let size = Size::of_members(data);
        let reach = self.reaches.get(size.levels)?;
        Some(Work { judging: reach.valid.times(size), listing: reach.errors.times(size) })
    }
}

/// How much data there is.
#[derive(Clone, Copy)]
struct Size {
    values: u64,
    /// In all texts and names.
    bytes: u64,
    /// How many levels of arrays and objects there are.
    levels: usize,
}

impl Size {
    fn of(value: &Value) -> Self {
        match value {
            Value::String(text) => Self { values: 1, bytes: text.len() as u64, levels: 0 },
            Value::Array(values) => values.iter().map(Self::of).fold(Self::EMPTY, Self::with),
            Value::Object(members) => Self::of_members(members),
            _ => Self { values: 1, bytes: 0, levels: 0 },
        }
    }

    fn of_members(members: &Map<String, Value>) -> Self {
        members.iter().fold(Self::EMPTY, |size, (name, value)| {
            let size = size.with(Self::of(value));
            Self { bytes: size.bytes + name.len() as u64, ..size }
        })
    }

    /// That of an array or object without anything in it.
    const EMPTY: Self = Self { values: 1, bytes: 0, levels: 1 };

    /// That of an array or object with one more value in it.
    fn with(self, inner: Self) -> Self {
        Self {
            values: self.values + inner.values,
            bytes: self.bytes + inner.bytes,
            levels: self.levels.max(inner.levels + 1),
        }
    }
}

/// Work for each value and each byte.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    per_value: u64,
    per_byte: u64,
}

impl Cost {
    fn add(self, other: Self) -> Self {
        Self {
            per_value: self.per_value.saturating_add(other.per_value),
            per_byte: self.per_byte.saturating_add(other.per_byte),
        }
    }

    fn times(self, size: Size) -> u64 {
        self.per_value.saturating_mul(size.values).saturating_add(self.per_byte.saturating_mul(size.bytes))
    }

    fn max(self, other: Self) -> Self {
        Self { per_value: self.per_value.max(other.per_value), per_byte: self.per_byte.max(other.per_byte) }
    }
}

/// What a subschema can cost on data of so many levels, all that it leads to included.
#[derive(Debug, Clone, Copy, Default)]
struct Reach {
    /// To say whether the data is valid.
    valid: Cost,
    /// To say what is wrong: at each subschema it may be asked first whether anything is.
    errors: Cost,
    /// To say what is evaluated, for `unevaluatedProperties` and `unevaluatedItems`: branches are tried once more.
    marks: Cost,
    calls: u32,
}

impl Reach {
    fn add(self, other: Self) -> Self {
        Self {
            valid: self.valid.add(other.valid),
            errors: self.errors.add(other.errors),
            marks: self.marks.add(other.marks),
            calls: self.calls.max(other.calls),
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            valid: self.valid.max(other.valid),
            errors: self.errors.max(other.errors),
            marks: self.marks.max(other.marks),
            calls: self.calls.max(other.calls),
        }
    }
}

/// The subschemas for what is in a value: the members of an object, or the elements of an array.
#[derive(Default)]
struct Below {
    /// Each member meets all of these.
    every: Vec<usize>,
    /// Each member meets one of these at most.
    single: Vec<usize>,
}

impl Below {
    fn reach(&self, below: &[Reach]) -> Reach {
        let of = |place: &usize| below.get(*place).copied().unwrap_or_default();
        let single = self.single.iter().map(of).fold(Reach::default(), Reach::max);
        self.every.iter().map(of).fold(single, Reach::add)
    }
}

/// One subschema.
#[derive(Default)]
struct Subschema {
    own: Cost,
    /// Those that are applied to the same value.
    same: Vec<usize>,
    members: Below,
    elements: Below,
    /// Those below that are tried again to say what is evaluated.
    again: Vec<usize>,
    is_unevaluated: bool,
}

impl Subschema {
    fn leads_on(&self) -> bool {
        let below = [&self.members, &self.elements];
        !self.same.is_empty() || below.iter().any(|below| !below.every.is_empty() || !below.single.is_empty())
    }
}

/// All subschemas that the whole one leads to, the whole one being the first.
struct Graph(Vec<Subschema>);

impl Graph {
    fn of(document: &Value) -> Result<(Self, usize), String> {
        let (subschemas, pattern_bytes) = reader::read(document)?;
        if subschemas.iter().filter(|subschema| subschema.leads_on()).count() > MAX_INNER {
            return Err(format!("must have at most {MAX_INNER} subschemas that have subschemas"));
        }
        Ok((Self(subschemas), pattern_bytes))
    }

    /// What the whole schema can cost, on data of no level, of one, and so on.
    fn reaches(&self) -> Result<Vec<Reach>, String> {
        let mut below = vec![Reach::default(); self.0.len()];
        let mut reaches = Vec::with_capacity(MAX_DATA_LEVELS + 1);
        for level in 0..=MAX_DATA_LEVELS {
            let mut walk =
                Walk { graph: self, below: &below, is_leaf: level == 0, here: vec![Progress::NotSeen; self.0.len()] };
            for place in 0..self.0.len() {
                walk.reach(place)?;
            }
            let known = |progress| match progress {
                Progress::Known(reach) => reach,
                Progress::NotSeen | Progress::OnTheWay => Reach::default(),
            };
            below = walk.here.into_iter().map(known).collect();
            reaches.extend(below.first());
        }
        Ok(reaches)
    }
}

/// How far the walk is with a subschema.
#[derive(Clone, Copy)]
enum Progress {
    NotSeen,
    OnTheWay,
    Known(Reach),
}

/// Works out one level by the one below.
struct Walk<'g> {
    graph: &'g Graph,
    below: &'g [Reach],
    /// Whether there is nothing below.
    is_leaf: bool,
    here: Vec<Progress>,
}

impl Walk<'_> {
    fn reach(&mut self, place: usize) -> Result<Reach, String> {
        match self.here.get(place) {
            Some(Progress::Known(reach)) => return Ok(*reach),
            Some(Progress::OnTheWay) => return Err("refers to itself without going down into the data".to_owned()),
            _ => self.note(place, Progress::OnTheWay),
        }
        let Some(subschema) = self.graph.0.get(place) else { return Ok(Reach::default()) };
        let mut same = Reach::default();
        for other in &subschema.same {
            same = same.add(self.reach(*other)?);
        }
        let (mut below, mut again) = (Reach::default(), Reach::default());
        if !self.is_leaf {
            below = subschema.members.reach(self.below).max(subschema.elements.reach(self.below));
            again = Below { every: subschema.again.clone(), single: Vec::new() }.reach(self.below);
        }
        let marks = subschema.own.add(same.valid).add(same.marks).add(again.valid);
        let mut valid = subschema.own.add(same.valid).add(below.valid);
        if subschema.is_unevaluated {
            valid = valid.add(marks);
        }
        let errors = valid.add(same.errors).add(below.errors);
        let reach = Reach { valid, errors, marks, calls: 1 + same.calls.max(below.calls) };
        self.note(place, Progress::Known(reach));
        Ok(reach)
    }

    fn note(&mut self, place: usize, reached: Progress) {
        if let Some(progress) = self.here.get_mut(place) {
            *progress = reached;
        }
    }
}
