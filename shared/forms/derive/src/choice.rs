//! Enums whose variants have values: objects with one member, named as the variant.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{DataEnum, Fields, Ident, Variant};

use crate::attributes::{Container, Said, doc};
use crate::context::Context;
use crate::fields::Member;
use crate::object::json_schema;

pub(crate) fn derive(container: &Container, data: &DataEnum) -> syn::Result<TokenStream> {
    let variants: Vec<(&Ident, Member)> =
        data.variants.iter().map(|variant| member(variant, container)).collect::<syn::Result<_>>()?;
    let context = Context::of(container.context.as_ref());
    let Container { ident, doc, later, .. } = container;
    let beside = container.need(container.beside.as_ref(), "beside")?;
    let first = variants.first().map(|(_, member)| &member.name);
    let Context { generics, ty } = &context;
    let take = variants.iter().map(|(variant, member)| {
        let (name, read) = (&member.name, member.read(&context));
        quote! {
            if let ::core::option::Option::Some(node) = members.take(#name) {
                is_given = true;
                let at = &members.at().field(#name);
                if let ::core::option::Option::Some((earlier, _)) = &chosen {
                    faults.note(at, ::std::format!(::core::concat!("stands beside `{}`: ", #beside), earlier));
                } else {
                    chosen = (#read).map(|value| (#name, Self::#variant(value)));
                }
            }
        }
    });
    let schemas = variants.iter().map(|(_, member)| {
        let describe = member.describe();
        quote!({
            let mut alternative = ::satchel_forms::ObjectSchema::default();
            let object = &mut alternative;
            #describe
            alternative
        })
    });
    let schema = json_schema(container, &quote!(::satchel_forms::one_of(#doc, ::std::vec![#(#schemas),*])));
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::satchel_forms::Form<#ty> for #ident {
            fn read(
                node: ::satchel_forms::Node,
                at: &::satchel_forms::At<'_>,
                context: &mut #ty,
                faults: &mut ::satchel_forms::Faults,
            ) -> ::core::option::Option<Self> {
                let mut members = ::satchel_forms::Members::open(node, at, faults)?;
                let mut chosen: ::core::option::Option<(&'static str, Self)> = ::core::option::Option::None;
                // One fault is enough for what a later version brings.
                let mut is_given = members.refuse_later(&[#(#later),*], faults);
                #(#take)*
                if !is_given {
                    faults.note(&members.at().field(#first), "is required");
                }
                members.finish(&[], faults);
                chosen.map(|(_, value)| value)
            }
        }

        #schema
    })
}

fn member<'v>(variant: &'v Variant, container: &Container) -> syn::Result<(&'v Ident, Member)> {
    let Fields::Unnamed(fields) = &variant.fields else {
        return Err(syn::Error::new_spanned(variant, "needs one value"));
    };
    let Some(field) = fields.unnamed.first().filter(|_| fields.unnamed.len() == 1) else {
        return Err(syn::Error::new_spanned(variant, "needs one value"));
    };
    let said = Said::of(&variant.attrs)?;
    let name = said.rename.clone().unwrap_or_else(|| container.rename_all.of_variant(&variant.ident.to_string()));
    let member = Member::new(format_ident!("value"), name, doc(&variant.attrs), &field.ty, said)?;
    Ok((&variant.ident, member))
}
