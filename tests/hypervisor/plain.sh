#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# plain.sh TOP: a Xen built without CONFIG_DOMGRP has nothing of ours in it.
set -eu

cd "$1"
if [ ! -f build/xen/out/xen-syms ]; then
    echo "1..0 # SKIP no hypervisor has been built: hypervisor/build build/xen/out"
    exit 0
fi
hypervisor/build --no-domgrp build/xen/plain >&2

ours() { nm "build/xen/$1/xen-syms" | grep -ci domgrp || :; }

with=$(ours out)
without=$(ours plain)
echo "1..3"
verdict() # NAME CONDITION...
{
    name=$1
    shift
    if test "$@"; then echo "ok $name"; else echo "not ok $name"; fi
}
verdict "1 - with CONFIG_DOMGRP there are $with symbols of ours" "$with" -gt 10
verdict "2 - without it there are $without" "$without" = 0
verdict "3 - its configuration says so" "$(grep -c DOMGRP=y build/xen/plain/config)" = 0
