//! Enums with a tag: some members of the object around them, told apart by the one that is the tag.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataEnum, Fields, Ident, Variant};

use crate::attributes::{Container, Said, doc};
use crate::context::Context;
use crate::fields::Member;

struct Alternative<'v> {
    ident: &'v Ident,
    name: String,
    doc: String,
    members: Vec<Member>,
}

pub(crate) fn derive(container: &Container, data: &DataEnum) -> syn::Result<TokenStream> {
    let alternatives: Vec<Alternative<'_>> =
        data.variants.iter().map(|variant| alternative(variant, container)).collect::<syn::Result<_>>()?;
    let context = Context::of(container.context.as_ref());
    let ident = &container.ident;
    let tag = container.need(container.tag.as_ref(), "tag")?;
    let expects = container.need(container.expects.as_ref(), "expects")?;
    let Context { generics, ty } = &context;
    let names: Vec<&String> = alternatives.iter().map(|alternative| &alternative.name).collect();
    let strangers = strangers(&alternatives, container)?;
    let arms = alternatives.iter().map(|Alternative { ident, name, members, .. }| {
        let take = members.iter().map(|member| member.take(&context));
        let build = members.iter().map(Member::build);
        quote! {
            #name => {
                #(#take)*
                ::core::option::Option::Some(Self::#ident { #(#build),* })
            }
        }
    });
    let look = alternatives.iter().flat_map(|alternative| &alternative.members).map(|member| member.look(&context));
    let describe = alternatives.iter().map(|Alternative { name, doc, members, .. }| {
        let describe = members.iter().map(Member::describe);
        quote!({
            let mut alternative = ::satchel_forms::ObjectSchema::default();
            let object = &mut alternative;
            object.tag(#tag, #name, #doc);
            #(#describe)*
            alternative
        })
    });
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::satchel_forms::Fields<#ty> for #ident {
            fn take(
                members: &mut ::satchel_forms::Members<'_>,
                context: &mut #ty,
                faults: &mut ::satchel_forms::Faults,
            ) -> ::core::option::Option<Self> {
                let _ = &context;
                let tag = members.required(#tag, faults, |node, at, faults| {
                    ::satchel_forms::read_name(node, at, faults, &[#(#names),*], #expects)
                });
                let ::core::option::Option::Some(tag) = tag else {
                    #(#look)*
                    return ::core::option::Option::None;
                };
                #strangers
                match tag {
                    #(#arms)*
                    _ => ::core::option::Option::None,
                }
            }
        }

        #[automatically_derived]
        impl ::satchel_forms::Described for #ident {
            fn describe(
                object: &mut ::satchel_forms::ObjectSchema,
                generator: &mut ::satchel_forms::schemars::SchemaGenerator,
            ) {
                let _ = &generator;
                let alternatives = ::std::vec![#(#describe),*];
                object.alternatives(alternatives);
            }
        }
    })
}

/// Takes members that belong to another variant, and says so.
fn strangers(alternatives: &[Alternative<'_>], container: &Container) -> syn::Result<TokenStream> {
    let mut checks = Vec::new();
    for member in alternatives.iter().flat_map(|alternative| &alternative.members) {
        let foreign = container.need(container.foreign.as_ref(), "foreign")?;
        let (name, owners) = (&member.name, alternatives.iter().filter(|other| other.has(&member.name)));
        let owners = owners.map(|owner| &owner.name);
        checks.push(quote! {
            if !::core::matches!(tag, #(#owners)|*) && members.take(#name).is_some() {
                faults.note(&members.at().field(#name), #foreign);
            }
        });
    }
    Ok(quote!(#(#checks)*))
}

impl Alternative<'_> {
    fn has(&self, name: &str) -> bool {
        self.members.iter().any(|member| member.name == name)
    }
}

fn alternative<'v>(variant: &'v Variant, container: &Container) -> syn::Result<Alternative<'v>> {
    let members = match &variant.fields {
        Fields::Named(fields) => {
            let members = fields.named.iter().map(|field| Member::of_field(field, container.rename_all_fields));
            members.collect::<syn::Result<_>>()?
        }
        Fields::Unit => Vec::new(),
        Fields::Unnamed(_) => return Err(syn::Error::new_spanned(variant, "needs named fields or none")),
    };
    let rename = Said::of(&variant.attrs)?.rename;
    let name = rename.unwrap_or_else(|| container.rename_all.of_variant(&variant.ident.to_string()));
    Ok(Alternative { ident: &variant.ident, name, doc: doc(&variant.attrs), members })
}
