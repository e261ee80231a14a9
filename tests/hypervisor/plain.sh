#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# plain.sh TOP [whole]: a Xen built without CONFIG_DOMGRP links and has nothing of ours in it.
#
# Without "whole", what has symbols of ours or is of a file with hooks is compiled anew, and linked with the objects of
# the build that has the option. That shows what a whole build would: an object can only have a symbol that its text
# names, no file but the overlay's and those with hooks names one (case 4), and without the option the headers among
# these declare none. It is to be looked at, not booted: struct domain has two layouts in it.
set -eu

cd "$1"
if [ ! -f build/xen/out/xen-syms ]; then
    echo "1..0 # SKIP no hypervisor has been built: hypervisor/build build/xen/out"
    exit 0
fi
case ${2-} in
whole) option=--no-domgrp plain=plain ;;
*) option=--no-hooks plain=no-hooks ;;
esac
hypervisor/build build/xen/out >&2
hypervisor/build "$option" "build/xen/$plain" >&2

ours() { nm "build/xen/$1/xen-syms" | grep -ci domgrp || :; }

named() { (cd build/xen/source && grep -rli domgrp xen | LC_ALL=C sort); }

known()
{
    {
        sed -n 's,^+++ b/,,p' hypervisor/hooks/*.patch
        (cd hypervisor/overlay && find xen -type f)
    } | LC_ALL=C sort -u
}

verdict() # NAME CONDITION...
{
    name=$1
    shift
    if test "$@"; then echo "ok $name"; else echo "not ok $name"; fi
}

with=$(ours out)
without=$(ours "$plain")
echo "1..4"
verdict "1 - with CONFIG_DOMGRP there are $with symbols of ours" "$with" -gt 10
verdict "2 - without it there are $without" "$without" = 0
verdict "3 - its configuration says so" "$(grep -c DOMGRP=y "build/xen/$plain/config")" = 0
verdict "4 - only the overlay and files with hooks name them" "$(named)" = "$(known)"
