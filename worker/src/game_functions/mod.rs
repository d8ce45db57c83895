//! The game's own functions, which need no connector: one file and one line each.

satchel_functions::functions! {
    // Module and type, one a line.
}
