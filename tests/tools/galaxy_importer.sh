#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Build the collection and let Galaxy's own importer judge the artefact.
set -eu
root=$(git rev-parse --show-toplevel)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$root"
"$root/.venv/bin/ansible-galaxy" collection build --force --output-path "$work/dist" . >/dev/null
artefact=$(ls "$work"/dist/keyward-bitlocker-*.tar.gz)
if tar -tzf "$artefact" | grep -E '^(tests/(lab|bench|unit|integration)|\.ci|\.venv|build)/'; then
    echo "the artefact holds what is not the product" >&2
    exit 1
fi
cat >"$work/importer.cfg" <<EOF
[galaxy-importer]
RUN_ANSIBLE_TEST = False
RUN_ANSIBLE_DOC = True
CHECK_REQUIRED_TAGS = True
EOF
cd "$work"
PATH="$root/.venv-importer/bin:/usr/bin:/bin" GALAXY_IMPORTER_CONFIG="$work/importer.cfg" \
    "$root/.venv-importer/bin/python" -m galaxy_importer.main "$artefact" >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    exit 1
}
grep -E 'WARNING|ERROR' "$work/log" || true
if grep -q ERROR "$work/log"; then exit 1; fi
grep -q 'Importer processing completed successfully' "$work/log" && echo "galaxy-importer: $(basename "$artefact") passed"
