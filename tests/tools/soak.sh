#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The long runs: every property test with thousands of examples, then coverage-guided fuzzing of what reads WS-Man answers and of
# the key proof.
# SOAK_EXAMPLES (5000) a test, SOAK_MINUTES (10; 0: none) of fuzzing each.
set -eu
root=$(git rev-parse --show-toplevel)
cd "$root"
examples=${SOAK_EXAMPLES:-5000}
minutes=${SOAK_MINUTES:-10}

echo "== property tests, $examples examples each"
SOAK_EXAMPLES=$examples PYTHONPATH="$root/tests/fuzz${PYTHONPATH:+:$PYTHONPATH}" \
    "$root/.venv/bin/python" -m pytest -q -n 2 -p deep_examples tests/unit

# to libFuzzer no time is no bound
[ "$minutes" -gt 0 ] || exit 0
# in an environment of its own: atheris is built for some Pythons only, and nothing else needs it
if [ ! -e .venv-fuzz/.done ]; then
    "$root/.venv/bin/python" -m venv --clear .venv-fuzz
    if ! .venv-fuzz/bin/pip install --quiet --disable-pip-version-check atheris -r requirements.txt; then
        echo "atheris: NOT RUN, it cannot be installed on $("$root/.venv/bin/python" --version)" >&2
        exit 3
    fi
    touch .venv-fuzz/.done
fi
mkdir -p build/fuzz
for what in wsman key_proof; do
    echo "== atheris on $what, $minutes minutes"
    .venv-fuzz/bin/python "tests/fuzz/fuzz_$what.py" -max_total_time=$((minutes * 60)) -max_len=65536 -timeout=20 \
        -artifact_prefix=build/fuzz/ -print_final_stats=1 "build/fuzz/$what" >"build/fuzz/$what.log" 2>&1 || {
        tail -40 "build/fuzz/$what.log" >&2
        echo "atheris found something: the input lies in build/fuzz, the log in build/fuzz/$what.log" >&2
        exit 1
    }
    grep -E '^(Done|stat::number_of_executed_units)' "build/fuzz/$what.log"
done
