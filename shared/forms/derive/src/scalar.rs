//! Types that are a text or a number in documents.

use proc_macro2::TokenStream;
use quote::quote;
use syn::DataEnum;

use crate::attributes::{Container, Said};
use crate::object::json_schema;

/// What a function parses.
pub(crate) fn parsed(container: &Container) -> TokenStream {
    let text = container.text.as_ref().map(|parse| quote!(::satchel_forms::read_text(node, at, faults, #parse)));
    let integer =
        container.integer.as_ref().map(|parse| quote!(::satchel_forms::read_integer(node, at, faults, #parse)));
    form(container, &text.or(integer).unwrap_or_default())
}

/// An enum of names.
pub(crate) fn named(container: &Container, data: &DataEnum) -> syn::Result<TokenStream> {
    let expects = container.need(container.expects.as_ref(), "expects")?;
    let mut names = Vec::new();
    for variant in &data.variants {
        let rename = Said::of(&variant.attrs)?.rename;
        names.push(rename.unwrap_or_else(|| container.rename_all.of_variant(&variant.ident.to_string())));
    }
    let variants = data.variants.iter().map(|variant| &variant.ident);
    let form = form(
        container,
        &quote! {
            match ::satchel_forms::read_name(node, at, faults, &[#(#names),*], #expects)? {
                #(#names => ::core::option::Option::Some(Self::#variants),)*
                _ => ::core::option::Option::None,
            }
        },
    );
    let schema = json_schema(container, &quote!(::satchel_forms::names_schema(&[#(#names),*])));
    Ok(quote!(#form #schema))
}

fn form(container: &Container, read: &TokenStream) -> TokenStream {
    let ident = &container.ident;
    quote! {
        #[automatically_derived]
        impl<FormContext: ?Sized> ::satchel_forms::Form<FormContext> for #ident {
            fn read(
                node: ::satchel_forms::Node,
                at: &::satchel_forms::At<'_>,
                _: &mut FormContext,
                faults: &mut ::satchel_forms::Faults,
            ) -> ::core::option::Option<Self> {
                #read
            }
        }
    }
}
