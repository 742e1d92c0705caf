#!/usr/bin/env bash
# Sets up everything the tests need and runs every check. Arguments go to pytest:  ./run_tests.sh -k replay
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/setup.sh
. scripts/setup.sh

# install_package NAME WHAT: from the system's packages, if we may; otherwise say so and go on (those tests will tell).
install_package() {
    local as_root=()
    if ! command -v apt-get >/dev/null 2>&1; then
        say "$2 is missing and there is no apt-get; install it by hand ($1), its tests cannot run without it."
        return 0
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! sudo -n true >/dev/null 2>&1; then
            say "$2 is missing and may not be installed from here; install it by hand: sudo apt-get install $1"
            return 0
        fi
        as_root=(sudo -n)
    fi
    say "Installing $2 ..."
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null 2>&1 || true
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" \
        >/tmp/synapsed-apt.log 2>&1 || say "Installing $2 failed: $(tail -n 1 /tmp/synapsed-apt.log)"
}

has_browser() {
    local name
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        command -v "$name" >/dev/null 2>&1 && return 0
    done
    return 1
}

has_postgres() {
    command -v initdb >/dev/null 2>&1 || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

make_environment dev
has_browser || install_package chromium "a headless Chromium"
has_postgres || install_package postgresql "PostgreSQL"

# The home and settings of whoever runs the tests have no business in them.
unset SYNAPSED_HOME SYNAPSED_TOKEN SYNAPSED_DATABASE_URL
export OMP_NUM_THREADS=1
PATH="$PWD/.venv/bin:$PATH"

failed=()
check() {
    say "· $*"
    "$@" || failed+=("$1 ${2:-}")
}
if [ "$#" -eq 0 ]; then # who chooses tests wants those alone
    check ruff check .
    check ruff format --check .
    check mypy
    check lint-imports
fi
if [ "${#failed[@]}" -gt 0 ]; then
    say "Failed before the tests: ${failed[*]}"
fi
# Last, so that its closing line is the last thing printed.
python -m pytest "$@" || exit $?
exit "$((${#failed[@]} > 0))"
