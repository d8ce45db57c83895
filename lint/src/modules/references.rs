//! What a module's code refers to: its imports and the paths in it. What only its tests refer to does not count.

use std::collections::BTreeMap;
use std::fmt;

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, ItemUse, Macro, UseTree};

/// A path in the code.
#[derive(Debug)]
pub(crate) struct Reference {
    /// Its names, as they are written.
    pub(crate) path: Vec<String>,
    file: String,
    line: usize,
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.file, self.line, self.path.join("::"))
    }
}

/// What one module says.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) references: Vec<Reference>,
    /// Each imported name, and what it stands for.
    pub(crate) imports: BTreeMap<String, Vec<String>>,
    /// The modules of which everything is imported.
    pub(crate) globs: Vec<Vec<String>>,
    /// The file, for references.
    file: String,
}

/// Whether an item is compiled for tests alone.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

/// Everything that these items of a module refer to, modules within them excepted.
pub(crate) fn collect(items: &[Item], file: &str) -> Collected {
    let mut collected = Collected { file: file.to_owned(), ..Collected::default() };
    for item in items {
        collected.visit_item(item);
    }
    collected
}

impl Collected {
    fn refer(&mut self, path: Vec<String>, span: Span) {
        self.references.push(Reference { path, file: self.file.clone(), line: span.start().line });
    }

    fn import(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: String| before.iter().cloned().chain([name]).collect::<Vec<_>>();
        match tree {
            UseTree::Path(path) => self.import(&with(path.ident.to_string()), &path.tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(before, tree)),
            UseTree::Name(name) => self.import_as(before, &name.ident, &name.ident),
            UseTree::Rename(rename) => self.import_as(before, &rename.ident, &rename.rename),
            UseTree::Glob(glob) => {
                self.globs.push(before.to_vec());
                self.refer(before.to_vec(), glob.star_token.spans.first().copied().unwrap_or_else(Span::call_site));
            }
        }
    }

    fn import_as(&mut self, before: &[String], name: &syn::Ident, alias: &syn::Ident) {
        // `a::{self}` is `a`.
        let own = name == "self";
        let path: Vec<String> = before.iter().cloned().chain((!own).then(|| name.to_string())).collect();
        let alias = if alias == "self" { path.last().cloned() } else { Some(alias.to_string()) };
        if let Some(alias) = alias {
            self.imports.insert(alias, path.clone());
        }
        self.refer(path, name.span());
    }

    /// Paths among the tokens of a macro, which nobody but the macro can parse.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut start = Span::call_site();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.end_path(&mut path, start);
                        start = ident.span();
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => colons += 1,
                TokenTree::Group(group) => {
                    self.end_path(&mut path, start);
                    self.scan(group.stream());
                    colons = 0;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.end_path(&mut path, start);
                    colons = 0;
                }
            }
        }
        self.end_path(&mut path, start);
    }

    fn end_path(&mut self, path: &mut Vec<String>, start: Span) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.refer(path, start);
        }
    }
}

impl<'ast> Visit<'ast> for Collected {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            // A module within this one is one of its own.
            Item::Mod(_) => return,
            Item::Const(item) => &item.attrs,
            Item::Enum(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Macro(item) => &item.attrs,
            Item::Static(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            Item::Trait(item) => &item.attrs,
            Item::Type(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let is_test = matches!(item, ImplItem::Fn(function) if is_test(&function.attrs));
        if !is_test {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_none() {
            self.import(&[], &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let Some(first) = path.segments.first().filter(|_| names.len() > 1 && path.leading_colon.is_none()) {
            self.refer(names, first.ident.span());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.visit_path(&called.path);
        self.scan(called.tokens.clone());
    }
}
