//! Structs: objects with members.

use proc_macro2::TokenStream;
use quote::quote;
use syn::FieldsNamed;

use crate::attributes::Container;
use crate::context::Context;
use crate::fields::Member;

pub(crate) fn derive(container: &Container, fields: &FieldsNamed) -> syn::Result<TokenStream> {
    let members: Vec<Member> =
        fields.named.iter().map(|field| Member::of_field(field, container.rename_all)).collect::<syn::Result<_>>()?;
    let context = Context::of(container.context.as_ref());
    let (form, schema) = (form(container, &context)?, schema(container));
    let Container { ident, ignored, .. } = container;
    let Context { generics, ty } = &context;
    let take = members.iter().map(|member| member.take(&context));
    let build = members.iter().map(Member::build);
    let describe = members.iter().map(Member::describe);
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::satchel_forms::Fields<#ty> for #ident {
            fn take(
                members: &mut ::satchel_forms::Members<'_>,
                context: &mut #ty,
                faults: &mut ::satchel_forms::Faults,
            ) -> ::core::option::Option<Self> {
                let _ = &context;
                #(#take)*
                ::core::option::Option::Some(Self { #(#build),* })
            }
        }

        #[automatically_derived]
        impl ::satchel_forms::Described for #ident {
            fn describe(
                object: &mut ::satchel_forms::ObjectSchema,
                generator: &mut ::satchel_forms::schemars::SchemaGenerator,
            ) {
                let _ = &generator;
                #(#describe)*
                #(object.anything(#ignored);)*
            }
        }

        #form
        #schema
    })
}

fn form(container: &Container, context: &Context) -> syn::Result<TokenStream> {
    let Container { ident, later, ignored, .. } = container;
    let Context { generics, ty } = context;
    let or = match &container.or {
        None => TokenStream::new(),
        Some(or) => {
            let expects = container.need(container.expects.as_ref(), "expects")?;
            quote! {
                if let ::satchel_forms::Node::String(_) = node {
                    return <#or as ::satchel_forms::Form<#ty>>::read(node, at, context, faults).map(Self::from);
                }
                let ::satchel_forms::Node::Object(_) = node else {
                    faults.note(at, ::std::format!(::core::concat!("must be ", #expects, ", not {}"), node.kind()));
                    return ::core::option::Option::None;
                };
            }
        }
    };
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::satchel_forms::Form<#ty> for #ident {
            fn read(
                node: ::satchel_forms::Node,
                at: &::satchel_forms::At<'_>,
                context: &mut #ty,
                faults: &mut ::satchel_forms::Faults,
            ) -> ::core::option::Option<Self> {
                #or
                let mut members = ::satchel_forms::Members::open(node, at, faults)?;
                let read = <Self as ::satchel_forms::Fields<#ty>>::take(&mut members, context, faults);
                #(::core::mem::drop(members.take(#ignored));)*
                members.finish(&[#(#later),*], faults);
                read
            }
        }
    })
}

fn schema(container: &Container) -> TokenStream {
    let doc = &container.doc;
    let object = quote!(::satchel_forms::ObjectSchema::of::<Self>(generator).into_schema(#doc));
    let schema = match &container.or {
        Some(or) => {
            quote!(::satchel_forms::either(&<#or as ::satchel_forms::schemars::JsonSchema>::json_schema(generator), &#object))
        }
        None => object,
    };
    json_schema(container, &schema)
}

/// `impl JsonSchema`, whose schema is this, with `generator` in scope.
pub(crate) fn json_schema(container: &Container, schema: &TokenStream) -> TokenStream {
    let ident = &container.ident;
    let name = ident.to_string();
    quote! {
        #[automatically_derived]
        impl ::satchel_forms::schemars::JsonSchema for #ident {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                #name.into()
            }

            fn schema_id() -> ::std::borrow::Cow<'static, str> {
                ::core::concat!(::core::module_path!(), "::", #name).into()
            }

            fn json_schema(
                generator: &mut ::satchel_forms::schemars::SchemaGenerator,
            ) -> ::satchel_forms::schemars::Schema {
                let _ = &generator;
                #schema
            }
        }
    }
}
