#!/usr/bin/env bash
# side-by-side.sh COMMAND COMMAND… runs shell commands at the same time. What the first one says is shown as it comes, what the others
# say when all have ended. Fails if any failed.
set -uo pipefail

said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT

jobs=()
for command in "${@:2}"; do
    bash -c "$command" >"$said/${#jobs[@]}" 2>&1 &
    jobs+=($!)
done
trap 'kill "${jobs[@]}" 2>/dev/null; exit 130' INT TERM
failed=0
bash -c "$1" || failed=1
for i in "${!jobs[@]}"; do
    wait "${jobs[$i]}" || failed=1
    cat "$said/$i"
done
exit "$failed"
