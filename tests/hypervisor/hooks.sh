#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# hooks.sh HYPERVISOR-DIRECTORY: the hooks stay small, and every hunk has its reason.
set -eu

cd "$1"
n=0
bad=0

check() # WHAT COMMAND...
{
    what=$1
    shift
    n=$((n + 1))
    if "$@"; then
        echo "ok $n - $what"
    else
        echo "not ok $n - $what"
        bad=1
    fi
}

for patch in hooks/*.patch; do
    added=$(grep -c '^+\([^+]\|$\)' "$patch")
    echo "# $patch adds $added lines"
    check "$patch adds under 60 lines" [ "$added" -lt 60 ]
    # Lines of context in the longest hunk: at most one on either side.
    context=$(awk '/^@@/ { c = 0 } /^ / { if (++c > max) max = c } END { print max + 0 }' "$patch")
    check "$patch has at most one line of context on a side" [ "$context" -le 2 ]
    files=$(sed -n 's,^+++ b/,,p' "$patch")
    for file in $files; do
        hunks=$(awk -v file="b/$file" '/^\+\+\+ / { on = $2 == file } /^@@/ && on { n++ } END { print n }' "$patch")
        reasons=$(grep -c "^| \`$file\` |" hooks.md || :)
        check "hooks.md has a reason for each of the $hunks hunks in $file" [ "$hunks" = "$reasons" ]
    done
done
echo "1..$n"
exit $bad
