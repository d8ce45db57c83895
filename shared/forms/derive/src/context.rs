//! In what context a type is read.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::Type;

/// The head of an `impl`, and the context that it is for.
pub(crate) struct Context {
    /// `<…>` after `impl`.
    pub(crate) generics: TokenStream,
    /// The context's type.
    pub(crate) ty: TokenStream,
}

impl Context {
    pub(crate) fn of(declared: Option<&Type>) -> Self {
        let Some(ty) = declared else {
            return Self { generics: quote!(<FormContext: ?Sized>), ty: quote!(FormContext) };
        };
        let ty = ty.to_token_stream();
        let generics = if has_lifetime(ty.clone()) { quote!(<'c>) } else { TokenStream::new() };
        Self { generics, ty }
    }
}

/// Whether `'c` is in it.
fn has_lifetime(tokens: TokenStream) -> bool {
    let mut after_quote = false;
    tokens.into_iter().any(|token| match token {
        TokenTree::Punct(punct) => {
            after_quote = punct.as_char() == '\'';
            false
        }
        TokenTree::Ident(ident) => std::mem::take(&mut after_quote) && ident == "c",
        TokenTree::Group(group) => has_lifetime(group.stream()),
        TokenTree::Literal(_) => false,
    })
}
