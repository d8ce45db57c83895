//! The attributes of types and fields.

use proc_macro2::Ident;
use syn::meta::ParseNestedMeta;
use syn::parse::Parse;
use syn::punctuated::Punctuated;
use syn::{Attribute, DeriveInput, Expr, ExprLit, Lit, LitStr, Meta, Token, Type};

use crate::names::Rule;

/// What is said of a type.
pub(crate) struct Container {
    pub(crate) ident: Ident,
    pub(crate) doc: String,
    /// For fields of a struct, for variants of an enum.
    pub(crate) rename_all: Rule,
    /// For fields of an enum's variants.
    pub(crate) rename_all_fields: Rule,
    pub(crate) context: Option<Type>,
    pub(crate) text: Option<Expr>,
    pub(crate) integer: Option<Expr>,
    pub(crate) or: Option<Type>,
    pub(crate) expects: Option<LitStr>,
    pub(crate) beside: Option<LitStr>,
    pub(crate) tag: Option<LitStr>,
    pub(crate) foreign: Option<LitStr>,
    pub(crate) later: Vec<LitStr>,
    pub(crate) ignored: Vec<LitStr>,
}

impl Container {
    pub(crate) fn of(input: &DeriveInput) -> syn::Result<Self> {
        let mut it = Self {
            ident: input.ident.clone(),
            doc: doc(&input.attrs),
            rename_all: Rule::default(),
            rename_all_fields: Rule::default(),
            context: None,
            text: None,
            integer: None,
            or: None,
            expects: None,
            beside: None,
            tag: None,
            foreign: None,
            later: Vec::new(),
            ignored: Vec::new(),
        };
        each(&input.attrs, "serde", |meta| match name(&meta).as_str() {
            "rename_all" => rule(&meta).map(|rule| it.rename_all = rule),
            "rename_all_fields" => rule(&meta).map(|rule| it.rename_all_fields = rule),
            _ => skip(&meta),
        })?;
        each(&input.attrs, "form", |meta| {
            match name(&meta).as_str() {
                "context" => it.context = Some(value(&meta)?),
                "text" => it.text = Some(value(&meta)?),
                "integer" => it.integer = Some(value(&meta)?),
                "or" => it.or = Some(value(&meta)?),
                "expects" => it.expects = Some(value(&meta)?),
                "beside" => it.beside = Some(value(&meta)?),
                "tag" => it.tag = Some(value(&meta)?),
                "foreign" => it.foreign = Some(value(&meta)?),
                "later" => it.later = list(&meta)?,
                "ignored" => it.ignored = list(&meta)?,
                _ => return Err(meta.error("is no attribute of a form")),
            }
            Ok(())
        })?;
        Ok(it)
    }

    /// An attribute that the type must have.
    pub(crate) fn need<'a, T>(&self, attribute: Option<&'a T>, what: &str) -> syn::Result<&'a T> {
        attribute.ok_or_else(|| syn::Error::new_spanned(&self.ident, format!("needs #[form({what} = …)]")))
    }
}

/// What is said of a field, or of a variant's value.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) rename: Option<String>,
    pub(crate) is_flat: bool,
    pub(crate) default: Option<Standard>,
    pub(crate) null: Option<Expr>,
    pub(crate) text: Option<Expr>,
    pub(crate) range: Option<Expr>,
    pub(crate) entries: Option<Expr>,
    pub(crate) each: Option<Expr>,
    pub(crate) with: Option<Expr>,
    pub(crate) schema: Option<Expr>,
}

/// The value of a field that is not given.
pub(crate) enum Standard {
    /// The type's own.
    OfType,
    /// This one.
    Value(Box<Expr>),
}

impl Said {
    pub(crate) fn of(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut it = Self::default();
        each(attributes, "serde", |meta| match name(&meta).as_str() {
            "rename" => value(&meta).map(|text: LitStr| it.rename = Some(text.value())),
            "flatten" => {
                it.is_flat = true;
                Ok(())
            }
            _ => skip(&meta),
        })?;
        each(attributes, "form", |meta| {
            match name(&meta).as_str() {
                "default" if meta.input.peek(Token![=]) => it.default = Some(Standard::Value(Box::new(value(&meta)?))),
                "default" => it.default = Some(Standard::OfType),
                "null" => it.null = Some(value(&meta)?),
                "text" => it.text = Some(value(&meta)?),
                "range" => it.range = Some(value(&meta)?),
                "entries" => it.entries = Some(value(&meta)?),
                "each" => it.each = Some(value(&meta)?),
                "with" => it.with = Some(value(&meta)?),
                "schema" => it.schema = Some(value(&meta)?),
                _ => return Err(meta.error("is no attribute of a form's field")),
            }
            Ok(())
        })?;
        Ok(it)
    }
}

/// The first paragraph of the documentation: what follows is for those who read the source.
pub(crate) fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => Some(line.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn each(
    attributes: &[Attribute],
    namespace: &str,
    mut take: impl FnMut(ParseNestedMeta<'_>) -> syn::Result<()>,
) -> syn::Result<()> {
    let own = attributes.iter().filter(|attribute| attribute.path().is_ident(namespace));
    own.into_iter().try_for_each(|attribute| attribute.parse_nested_meta(&mut take))
}

fn name(meta: &ParseNestedMeta<'_>) -> String {
    meta.path.get_ident().map(ToString::to_string).unwrap_or_default()
}

fn value<T: Parse>(meta: &ParseNestedMeta<'_>) -> syn::Result<T> {
    meta.value()?.parse()
}

fn rule(meta: &ParseNestedMeta<'_>) -> syn::Result<Rule> {
    let text: LitStr = value(meta)?;
    Rule::parse(&text.value()).ok_or_else(|| meta.error("is no rule that forms know"))
}

fn list(meta: &ParseNestedMeta<'_>) -> syn::Result<Vec<LitStr>> {
    let inside;
    syn::parenthesized!(inside in meta.input);
    Ok(Punctuated::<LitStr, Token![,]>::parse_terminated(&inside)?.into_iter().collect())
}

/// Passes over what is `serde`'s alone.
fn skip(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if meta.input.peek(Token![=]) {
        value::<Expr>(meta)?;
    } else if meta.input.peek(syn::token::Paren) {
        let inside;
        syn::parenthesized!(inside in meta.input);
        inside.parse::<proc_macro2::TokenStream>()?;
    }
    Ok(())
}
