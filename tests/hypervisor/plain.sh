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
verdict() { if [ "$1" "$2" "$3" ]; then echo "ok $4"; else echo "not ok $4"; fi; }
verdict "$with" -gt 10 "1 - with CONFIG_DOMGRP there are $with symbols of ours"
verdict "$without" = 0 "2 - without it there are $without"
verdict "$(grep -c DOMGRP=y build/xen/plain/config)" = 0 "3 - its configuration says so"
