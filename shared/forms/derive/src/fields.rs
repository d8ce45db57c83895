//! How one member of an object is read, and its schema.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{Field, GenericArgument, PathArguments, Type};

use crate::attributes::{Said, Standard, doc};
use crate::context::Context;
use crate::names::Rule;

/// One member.
pub(crate) struct Member {
    pub(crate) ident: Ident,
    /// As documents write it.
    pub(crate) name: String,
    doc: String,
    /// Without `Option`.
    ty: Type,
    is_option: bool,
    pub(crate) said: Said,
}

impl Member {
    pub(crate) fn of_field(field: &Field, rule: Rule) -> syn::Result<Self> {
        let ident = field.ident.clone().ok_or_else(|| syn::Error::new_spanned(field, "needs a name"))?;
        let said = Said::of(&field.attrs)?;
        let plain = ident.to_string();
        let plain = plain.strip_prefix("r#").unwrap_or(&plain);
        let name = said.rename.clone().unwrap_or_else(|| rule.of_field(plain));
        Self::new(ident, name, doc(&field.attrs), &field.ty, said)
    }

    pub(crate) fn new(ident: Ident, name: String, doc: String, ty: &Type, said: Said) -> syn::Result<Self> {
        let inner = argument_of(ty, "Option");
        let (is_option, ty) = (inner.is_some(), inner.unwrap_or(ty).clone());
        let is_list = argument_of(&ty, "Vec").is_some();
        if is_list && said.entries.is_none() && said.with.is_none() {
            return Err(syn::Error::new_spanned(ty, "an array needs #[form(entries = least..=most)]"));
        }
        Ok(Self { ident, name, doc, ty, is_option, said })
    }

    /// `let field = …;`, an `Option`.
    pub(crate) fn take(&self, context: &Context) -> TokenStream {
        let Self { ident, ty, name, .. } = self;
        let context_ty = &context.ty;
        if self.said.is_flat {
            return quote! {
                let #ident = <#ty as ::satchel_forms::Fields<#context_ty>>::take(members, context, faults);
            };
        }
        let read = self.read(context);
        let method = if self.is_required() { quote!(required) } else { quote!(optional) };
        quote! {
            let #ident = members.#method(#name, faults, |node, at, faults| #read);
        }
    }

    /// As [`Member::take`], for the faults alone: its absence is none.
    pub(crate) fn look(&self, context: &Context) -> TokenStream {
        let (name, read) = (&self.name, self.read(context));
        quote!(let _ = members.optional(#name, faults, |node, at, faults| #read);)
    }

    /// `field: …`, of what was taken.
    pub(crate) fn build(&self) -> TokenStream {
        let ident = &self.ident;
        match &self.said.default {
            Some(Standard::OfType) => quote!(#ident: #ident.unwrap_or_default()),
            Some(Standard::Value(value)) => quote!(#ident: #ident.unwrap_or_else(|| #value)),
            None if self.is_option => quote!(#ident),
            None => quote!(#ident: #ident?),
        }
    }

    fn is_required(&self) -> bool {
        !self.is_option && self.said.default.is_none()
    }

    /// Reads `node`, which stands `at` a place.
    pub(crate) fn read(&self, context: &Context) -> TokenStream {
        let Self { ty, said, .. } = self;
        let context_ty = &context.ty;
        let value = |ty: &Type| match (&said.text, &said.range) {
            (Some(parse), _) => quote!(::satchel_forms::read_text(node, at, faults, #parse)),
            (_, Some(range)) => quote!(::satchel_forms::read_integer_within(node, at, faults, #range)),
            _ => quote!(<#ty as ::satchel_forms::Form<#context_ty>>::read(node, at, context, faults)),
        };
        let read = match (&said.with, &said.entries) {
            (Some(with), _) => quote!(#with(node, at, context, faults)),
            (None, Some(bounds)) => {
                let one = match &said.each {
                    Some(each) => quote!(#each(node, at, earlier, context, faults)),
                    None => value(argument_of(ty, "Vec").unwrap_or(ty)),
                };
                quote!(::satchel_forms::read_array(node, at, faults, #bounds, |node, at, earlier, faults| #one))
            }
            (None, None) => value(ty),
        };
        match &said.null {
            Some(null) => quote! {
                match node {
                    ::satchel_forms::Node::Null => ::core::option::Option::Some(#null),
                    node => #read,
                }
            },
            None => read,
        }
    }

    /// Adds it to the schema `object`.
    pub(crate) fn describe(&self) -> TokenStream {
        let Self { ty, name, doc, said, .. } = self;
        if said.is_flat {
            return quote!(<#ty as ::satchel_forms::Described>::describe(object, generator););
        }
        let (schema, is_required) = (self.schema(), self.is_required());
        quote!(object.member(#name, #schema, #doc, #is_required);)
    }

    /// Its schema, with `generator` in scope.
    pub(crate) fn schema(&self) -> TokenStream {
        let Self { ty, said, .. } = self;
        let of = |ty: &Type| quote!(generator.subschema_for::<#ty>());
        let schema = match (&said.schema, &said.entries, &said.range) {
            (Some(schema), ..) => quote!(#schema),
            (None, Some(bounds), _) => {
                let one = of(argument_of(ty, "Vec").unwrap_or(ty));
                quote!(::satchel_forms::array_schema(#bounds, &#one))
            }
            (None, None, Some(range)) => quote!(::satchel_forms::integer_schema(#range)),
            (None, None, None) => of(ty),
        };
        if said.null.is_some() { quote!(::satchel_forms::or_null(&#schema)) } else { schema }
    }
}

/// `T` of `Name<T>`.
fn argument_of<'t>(ty: &'t Type, name: &str) -> Option<&'t Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}
