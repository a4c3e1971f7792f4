#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The other Pythons and ansible-cores: what depends on ansible-core under each core (tests/matrix.py), then all unit tests, playbook runs
# among them, under each newer Python. What this machine has no Python for is NOT RUN: exit 3 then, 1 if a test failed.
set -eu
root=$(git rev-parse --show-toplevel)
cd "$root"
worst=0
report=""
note() { # note WHAT STATUS
    case $2 in
    0) report="$report== $1: passed
" ;;
    3) report="$report== $1: NOT RUN in part or as a whole
"
        [ $worst = 1 ] || worst=3 ;;
    *) report="$report== $1: FAILED
"
        worst=1 ;;
    esac
}

status=0
"$root/.venv/bin/python" tests/matrix.py || status=$?
note "ansible-core 2.16, 2.19, 2.21" $status

interpreter() { # a Python that really answers: launchers of version managers exist for versions that do not
    for candidate in "$HOME"/.pyenv/versions/"$1".*/bin/python "$(command -v "python$1" || true)"; do
        if [ -x "$candidate" ] && "$candidate" -c "import sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

for version in 3.12 3.13; do
    python=$(interpreter $version)
    if [ -z "$python" ]; then
        echo "== Python $version: NOT RUN, it is neither on PATH nor in ~/.pyenv/versions"
        note "Python $version" 3
        continue
    fi
    home=".venv-py$version"
    if [ ! -e "$home/.done" ] || [ -n "$(find requirements.txt requirements-dev.txt tests/lab/requirements.txt -newer "$home/.done")" ]; then
        echo "== making $home with $python"
        "$python" -m venv --clear "$home"
        # the runtime and the tests; the checkers of make test are the same whatever the Python
        sed -e '/^-r/d' -e '/^# checks/,$d' requirements-dev.txt >"$home/tests.txt"
        "$home/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt -r tests/lab/requirements.txt -r "$home/tests.txt"
        touch "$home/.done"
    fi
    echo "== all unit tests on $("$home/bin/python" --version), ansible-core $("$home/bin/python" -c 'from ansible.release import __version__; print(__version__)')"
    status=0
    PATH="$root/$home/bin:/usr/bin:/bin" PYTHONPATH="" "$home/bin/python" -m pytest -q -n 2 -p no:cacheprovider tests/unit || status=$?
    note "Python $version" $status
done
printf '%s' "$report"
exit $worst
