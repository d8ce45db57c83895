//! `#[derive(Form)]`: how a type is read from a JSON document, and its JSON Schema, from one declaration.
//!
//! Names are `serde`'s (`rename_all`, `rename`, `flatten`); everything else stands in `#[form(…)]`. What can be derived, and
//! what the attributes mean, is listed at [`Form`](derive@Form).

mod attributes;
mod choice;
mod context;
mod fields;
mod names;
mod object;
mod scalar;
mod tagged;

use proc_macro2::TokenStream;
use syn::{Data, DeriveInput, Fields};

use attributes::Container;

/// Derives `satchel_forms::Form`, and for what is an object its JSON Schema as well.
///
/// | type | is read from | attributes |
/// |---|---|---|
/// | a struct with named fields | an object | `context`, `or` with `expects`, `later(…)`, `ignored(…)` |
/// | an enum with values in its variants | an object with one member, named as the variant | `context`, `beside`, `later(…)` |
/// | an enum with a `tag` | members of the object around it | `context`, `tag`, `expects`, `foreign` |
/// | an enum of names | a text | `expects` |
/// | any type with `text` or `integer` | a text, an integer | `text = parse`, `integer = parse` (schema: by hand) |
///
/// - `context = Type`: what readers of the document share; lifetimes in it are called `'c`. Without it a type is read in
///   any context.
/// - `or = Type, expects = "…"`: a text stands for the object too: it is read as the other type and converted by `From`.
/// - `later("name", …)`: members of later versions, refused as such. `ignored("name", …)`: members that are dropped.
/// - `beside = "…"`: what to say of a second member. `foreign = "…"`: what to say of another variant's member.
///
/// A field is required unless it is an `Option` or has a default. Its attributes:
/// - `default`, `default = expression`: the value of a field that is not given.
/// - `null = expression`: what `null` means; otherwise it is as wrong as any other type.
/// - `text = parse`: a text that `parse` accepts. `range = a..=b`: an integer between these.
/// - `entries = a..=b`: an array of so many; every `Vec` needs it. `each = function` reads one of them, and is given those
///   before it.
/// - `with = function`: reads the field: `fn(Node, &At, &mut Context, &mut Faults) -> Option<T>`.
/// - `schema = expression`: its schema where the type does not say it; `generator` is in scope.
#[proc_macro_derive(Form, attributes(form, serde))]
pub fn derive_form(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let container = Container::of(input)?;
    if container.text.is_some() || container.integer.is_some() {
        return Ok(scalar::parsed(&container));
    }
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => object::derive(&container, fields),
            _ => Err(syn::Error::new_spanned(&input.ident, "needs named fields, `text` or `integer`")),
        },
        Data::Enum(data) if container.tag.is_some() => tagged::derive(&container, data),
        Data::Enum(data) if data.variants.iter().all(|variant| variant.fields.is_empty()) => {
            scalar::named(&container, data)
        }
        Data::Enum(data) => choice::derive(&container, data),
        Data::Union(_) => Err(syn::Error::new_spanned(&input.ident, "a union has no form")),
    }
}
