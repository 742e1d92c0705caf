#!/usr/bin/env bash
# Sets up everything the tests need and runs every check. Arguments go to pytest:  ./run_tests.sh -k replay; ./run_tests.sh --long
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/setup.sh
. scripts/setup.sh

# install_package NAME WHAT: from the system's packages, if we may; otherwise say so and continue (those tests will fail).
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

has_nginx() {
    command -v nginx >/dev/null 2>&1 || [ -x /usr/sbin/nginx ]
}

# Most of what the packages hold is never imported: what is gets compiled when it is.
make_environment dev --no-compile
has_browser || install_package chromium "a headless Chromium"
has_postgres || install_package postgresql "PostgreSQL"
has_nginx || install_package nginx-light "nginx"
command -v openssl >/dev/null 2>&1 || install_package openssl "openssl"

# The home and settings of whoever runs the tests have no business in them.
unset SYNAPSED_HOME SYNAPSED_TOKEN SYNAPSED_DATABASE_URL
# Tests start hundreds of processes: without bytecode each would compile the whole program anew.
unset PYTHONDONTWRITEBYTECODE
export OMP_NUM_THREADS=1
PATH="$PWD/.venv/bin:$PATH"

if [ "$#" -gt 0 ]; then # who chooses tests wants those alone
    exec python -m pytest "$@"
fi

# The checks run beside the tests, each once; their output comes in one piece when they have ended.
run_checks() {
    local check failed=0
    for check in "ruff check ." "ruff format --check ." "mypy" "lint-imports"; do
        printf '· %s\n' "$check"
        $check || failed=1
    done
    return "$failed"
}
(
    output="$(run_checks 2>&1)" && passed=0 || passed=1
    printf '\n%s\n' "$output"
    exit "$passed"
) &
checks=$!
trap 'kill "$checks" 2>/dev/null || true' EXIT

# What Numba compiles, once: else each of the first processes that need it would compile it for itself.
(
    python -c 'from brain.memory.hippocampus.compiled import loops; loops().wait()'
    python -m brain.omega >/dev/null
    python -m pytest -q tests/unit/brain/models/test_one_byte.py tests/unit/brain/blocks/test_mixers.py >/dev/null 2>&1
) &
compiling=$!

# By one process first, beside the checks: else each worker would compile all it imports, and rewrite all assertions.
if [ -n "${installed:-}" ] || [ ! -d tests/__pycache__ ]; then
    python -m pytest --collect-only -q >/dev/null 2>&1 || true
fi

wait "$compiling" || true # where it cannot be compiled, tests say so

# Tests wait much, for processes and browsers: one worker more than there are cores.
workers="${SYNAPSED_TEST_WORKERS:-$(($(getconf _NPROCESSORS_ONLN) + 1))}"
failed=0
python -m pytest --numprocesses "$workers" --dist worksteal || failed=$?
if ! wait "$checks"; then
    say "One of the checks failed: ruff, mypy or import-linter; what it says stands above."
    failed=1
fi
exit "$failed"
