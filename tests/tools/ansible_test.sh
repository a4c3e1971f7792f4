#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Run ansible-test on a copy of the working tree (committed or not), where ansible-test wants it: .../ansible_collections/keyward/bitlocker.
# Usage: ansible_test.sh sanity [arguments]
set -eu
root=$(git rev-parse --show-toplevel)
python=$("$root/.venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree="$work/ansible_collections/keyward/bitlocker"
mkdir -p "$tree"
cd "$root"
git ls-files -z --cached --others --exclude-standard >"$work/listed"
# shellcheck disable=SC2016  # the inner shell expands
xargs -0 -n 500 sh -c 'for file; do if [ -e "$file" ]; then printf "%s\0" "$file"; fi; done' sh <"$work/listed" >"$work/files"
tar --null -T "$work/files" -cf - | tar -xf - -C "$tree"

# ansible-test fetches get-pip from a host that is not always there; a cached script is read first, and pip comes with Python (ensurepip)
cache="${HOME}/.ansible/test/cache"
mkdir -p "$cache"
for version in 24_2 25_2; do
    [ -e "$cache/get_pip_$version.py" ] || cp "$root/tests/tools/get_pip.py" "$cache/get_pip_$version.py"
done

# without the launchers of version managers, which answer for Pythons that are not there
PATH="$root/.venv/bin:/usr/bin:/bin"
export PATH
cd "$tree"
command=$1
shift
ansible-test "$command" --venv --python "$python" --color no "$@"
