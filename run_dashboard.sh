#!/usr/bin/env bash
# Sets up synapsed in this folder, starts it with the default preset and opens its page.
# Arguments go to `synapsed start`:  ./run_dashboard.sh --hours 8 --data ~/books
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
called_from="$PWD"
cd "$here"
# shellcheck source=scripts/setup.sh
. scripts/setup.sh
make_environment ""
if [ -n "${installed:-}" ]; then
    say "Compiling the loops of the exact memory (once) ..."
    .venv/bin/python -c 'from brain.memory.hippocampus.compiled import loops; loops().wait()' || true
fi
# Relative paths in the arguments mean the caller's folder; what is learned stays here unless a home is named.
cd "$called_from"
if [ -n "${SYNAPSED_HOME:-}" ]; then
    exec "$here/.venv/bin/synapsed" start --open "$@"
fi
exec "$here/.venv/bin/synapsed" start --open --home "$here" "$@"
