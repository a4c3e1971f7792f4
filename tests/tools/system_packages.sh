#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Install the Debian packages that are missing, or say exactly which line would.
# Usage: system_packages.sh venv|lab|test   (each includes the ones before it)
set -eu

missing=""
want() { # want PACKAGE... -- TEST COMMAND
    packages=""
    while [ "$1" != "--" ]; do packages="$packages $1"; shift; done
    shift
    "$@" >/dev/null 2>&1 || missing="$missing$packages"
}
have() { command -v "$1"; }

want python3-venv python3-pip -- "${PYTHON:-python3}" -c 'import ensurepip, venv'
case "${1:-venv}" in
lab | test)
    for package in samba samba-dsdb-modules samba-ad-provision python3-samba winbind ldb-tools; do
        want "$package" -- dpkg -s "$package"
    done
    want iproute2 -- have ip
    want util-linux -- have unshare
    ;;
esac
case "${1:-venv}" in
test)
    want gcc -- have gcc
    want libc6-dev -- test -e /usr/include/stdio.h
    want python3-dev -- "${PYTHON:-python3}" -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")'
    want libkrb5-dev -- have krb5-config
    want krb5-user -- have kinit
    want ldap-utils -- have ldapsearch
    want shellcheck -- have shellcheck
    want git -- have git
    want chromium -- have chromium
    want cryptsetup-bin -- dpkg -s cryptsetup-bin
    # every exec of a run that proves, with its arguments and environment
    want strace -- have strace
    # a reader of the codes on a recovery sheet, and pictures of its PDF
    want zbar-tools -- have zbarimg
    want poppler-utils -- have pdftoppm
    # what others make of copies that are sealed to public keys
    want age -- have age
    # the ledger on its other database: the tests start one of their own
    want postgresql -- dpkg -s postgresql
    ;;
esac
[ -n "$missing" ] || exit 0

install="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" = 0 ]; then
    sudo=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    sudo="sudo -n"
else
    echo "Packages are missing and this user cannot install them. As root: apt-get update && $install" >&2
    exit 1
fi
# the packages' own services must not start: the lab runs its own instance on a loopback address
if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee /usr/sbin/policy-rc.d >/dev/null
    $sudo chmod 755 /usr/sbin/policy-rc.d
    trap '$sudo rm -f /usr/sbin/policy-rc.d' EXIT
fi
echo "Installing:$missing"
# shellcheck disable=SC2086  # a list of words is meant
$sudo apt-get update -q >/dev/null && $sudo env DEBIAN_FRONTEND=noninteractive $install >/dev/null
