//! Forms that are derived.

mod forms;
mod schemas;

use crate::{Faults, Form, Node, Pointer, read};

fn node(text: &str) -> Node {
    Node::parse(text.as_bytes()).unwrap()
}

fn told(faults: &Faults) -> Vec<String> {
    faults.as_slice().iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect()
}

fn faults_of<T: Form>(text: &str) -> Vec<String> {
    read::<T>(node(text), &Pointer::root()).err().as_ref().map(told).unwrap_or_default()
}
