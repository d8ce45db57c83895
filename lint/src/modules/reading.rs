//! A crate's modules, read from its files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use syn::{Item, ItemMod};

use super::references::{self, Reference};

/// The modules of a library or a program, by their paths. Those that only tests have are left out.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    modules: BTreeMap<Vec<String>, Module>,
}

/// One module.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) references: Vec<Reference>,
    /// Each imported name, and what it stands for.
    pub(crate) imports: BTreeMap<String, Vec<String>>,
    /// The modules of which everything is imported.
    pub(crate) globs: Vec<Vec<String>>,
    /// The names that it defines.
    pub(crate) items: BTreeSet<String>,
}

/// Where a module is read from.
struct Source<'a> {
    file: &'a Path,
    /// The folder in which modules declared in it have their files.
    folder: PathBuf,
    /// What is left out of files' names for people.
    workspace: &'a Path,
}

impl Tree {
    /// Reads the library or program whose first file is `root`.
    ///
    /// # Errors
    /// If a file cannot be read or parsed.
    pub(crate) fn read(root: &Path, workspace: &Path) -> Result<Self> {
        let mut tree = Self::default();
        let folder = root.parent().context("a file without a folder")?.to_path_buf();
        tree.read_file(Vec::new(), &Source { file: root, folder, workspace })?;
        Ok(tree)
    }

    /// All modules with their paths.
    pub(crate) fn modules(&self) -> impl Iterator<Item = (&Vec<String>, &Module)> {
        self.modules.iter()
    }

    /// The module with this path.
    pub(crate) fn get(&self, path: &[String]) -> Option<&Module> {
        self.modules.get(path)
    }

    fn read_file(&mut self, path: Vec<String>, source: &Source<'_>) -> Result<()> {
        let place = || source.file.display().to_string();
        let text = fs::read_to_string(source.file).with_context(place)?;
        let parsed = syn::parse_file(&text).with_context(place)?;
        self.read_items(path, &parsed.items, source)
    }

    fn read_items(&mut self, path: Vec<String>, items: &[Item], source: &Source<'_>) -> Result<()> {
        for item in items {
            if let Item::Mod(module) = item
                && !references::is_test(&module.attrs)
            {
                self.read_module(&path, module, source)?;
            }
        }
        let file = source.file.strip_prefix(source.workspace).unwrap_or(source.file);
        let collected = references::collect(items, &file.display().to_string());
        let module = Module {
            references: collected.references,
            imports: collected.imports,
            globs: collected.globs,
            items: items.iter().filter_map(name).collect(),
        };
        self.modules.insert(path, module);
        Ok(())
    }

    fn read_module(&mut self, parent: &[String], module: &ItemMod, source: &Source<'_>) -> Result<()> {
        let name = module.ident.to_string();
        let path = parent.iter().cloned().chain([name.clone()]).collect();
        let folder = source.folder.join(&name);
        if let Some((_, items)) = &module.content {
            return self.read_items(path, items, &Source { folder, ..*source });
        }
        if module.attrs.iter().any(|attribute| attribute.path().is_ident("path")) {
            bail!("{}: mod {name} has a path of its own, which this check cannot follow", source.file.display());
        }
        let beside = source.folder.join(format!("{name}.rs"));
        let within = folder.join("mod.rs");
        let file = if beside.exists() { beside } else { within };
        self.read_file(path, &Source { file: &file, folder, workspace: source.workspace })
    }
}

/// The name that an item defines.
fn name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}
