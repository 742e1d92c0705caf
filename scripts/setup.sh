# Shared set-up, sourced by run_dashboard.sh and run_tests.sh: a Python, a virtual environment, the pinned packages.
# shellcheck shell=bash

say() { printf '%s\n' "$*"; }
fail() { printf 'synapsed: %s\n' "$*" >&2; exit 1; }

# Prints a Python of at least 3.11 with venv, the newest tried first; SYNAPSED_PYTHON overrides the search.
find_python() {
    local candidate
    for candidate in ${SYNAPSED_PYTHON:+"$SYNAPSED_PYTHON"} python3 python3.14 python3.13 python3.12 python3.11 python; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# make_environment EXTRAS [OPTIONS OF PIP]: .venv with the project and its pinned packages. A stamp makes the second run
# instant; where anything was installed `installed` is set.
make_environment() {
    local extras="$1" python stamp wanted log
    shift
    # Torch of the CPU index on Linux would need another index; the pin takes whichever build pip is set up for.
    if [ ! -x .venv/bin/python ]; then
        python="$(find_python)" ||
            fail "no Python 3.11 or newer was found; install one (https://www.python.org/downloads/) and try again"
        say "Making .venv with $("$python" --version) ..."
        "$python" -m venv .venv ||
            fail "could not make .venv; on Debian and Ubuntu: apt install python3-venv"
    fi
    .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail ".venv holds a Python older than 3.11; delete .venv and try again"
    stamp=".venv/.installed-${extras:-base}"
    wanted="$(cat pyproject.toml constraints.txt | .venv/bin/python -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())')"
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return 0
    fi
    say "Installing the pinned packages (the first time takes a few minutes) ..."
    log=".venv/install.log"
    if ! .venv/bin/python -m pip install --disable-pip-version-check --quiet "$@" --constraint constraints.txt \
        --editable ".${extras:+[$extras]}" >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        if grep -qiE 'name resolution|getaddrinfo|network is unreachable|connection (refused|timed out)|NewConnectionError|max retries|timed? ?out|from versions: none' "$log"; then
            fail "the packages could not be downloaded: no network, or no package index answers; try again when online"
        fi
        fail "installing the packages failed; the whole story is in $log"
    fi
    printf '%s' "$wanted" >"$stamp"
    installed=yes
}
