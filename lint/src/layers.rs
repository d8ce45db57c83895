//! Which crate uses which, and who has which means.

use std::collections::{BTreeMap, BTreeSet};

use crate::workspace::Workspace;

/// A name and the names that belong to it.
pub(crate) type Row = (&'static str, &'static [&'static str]);

/// What is against `layers` (each crate and those that it may use) and `means` (each driver and the crates that may have it).
pub(crate) fn faults(workspace: &Workspace, layers: &[Row], means: &[Row]) -> Vec<String> {
    let layers: BTreeMap<&str, &[&str]> = layers.iter().copied().collect();
    let members: BTreeSet<&str> = workspace.crates.iter().map(|found| found.name.as_str()).collect();
    let mut faults = Vec::new();
    for gone in layers.keys().filter(|name| !members.contains(*name)) {
        faults.push(format!("LAYERS names the crate {gone}, which there is not"));
    }
    for found in &workspace.crates {
        let Some(below) = layers.get(found.name.as_str()) else {
            faults.push(format!("the crate {} is not in LAYERS", found.name));
            continue;
        };
        let used = found.dependencies.iter().map(String::as_str);
        for other in used.filter(|other| members.contains(other) && !below.contains(other)) {
            faults.push(format!("{} uses {other}, which is not below it", found.name));
        }
        for (driver, owners) in means {
            if found.dependencies.contains(*driver) && !owners.contains(&found.name.as_str()) {
                faults.push(format!("{} uses {driver}, which is for {} alone", found.name, owners.join(", ")));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Crate;

    fn workspace() -> Workspace {
        let found = |name: &str, dependencies: &[&str]| Crate {
            name: name.to_owned(),
            roots: Vec::new(),
            dependencies: dependencies.iter().map(|name| (*name).to_owned()).collect(),
        };
        Workspace { root: "/".into(), crates: vec![found("model", &["store"]), found("store", &["model", "sqlx"])] }
    }

    #[test]
    fn who_is_below_uses_nobody_above() {
        let found = faults(&workspace(), &[("model", &[]), ("store", &["model"])], &[]);
        assert_eq!(found, ["model uses store, which is not below it"]);
    }

    #[test]
    fn drivers_are_for_their_owners() {
        let layers: [Row; 2] = [("model", &["store"]), ("store", &["model"])];
        assert_eq!(faults(&workspace(), &layers, &[("sqlx", &["store"])]), Vec::<String>::new());
        assert_eq!(faults(&workspace(), &layers, &[("sqlx", &["api"])]), ["store uses sqlx, which is for api alone"]);
    }

    #[test]
    fn the_list_is_that_of_the_crates() {
        let found = faults(&workspace(), &[("gone", &[]), ("store", &["model"])], &[]);
        assert_eq!(found, ["LAYERS names the crate gone, which there is not", "the crate model is not in LAYERS"]);
    }
}
