#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# coverage.sh MINIMUM LIBRARY TEST CORPUS-RUNNER CORPUS
# Runs both programs, which share the overlay's objects in a library built with
# --coverage, and fails when they execute less than MINIMUM percent of the lines
# of one of the overlay's files.
set -eu

minimum=$1
objects=$(realpath "$2").p
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT

rm -f "$objects"/*.gcda
"$3" >"$here/log"
"$4" "$5" >"$here/log"

cd "$here"
gcov "$objects"/*.gcda >log

status=0
for name in domgrp.c domgrpctl.c; do
    # "count:line:text"; "-" is no code, "#####" never ran.
    awk -F: -v name="$name" -v minimum="$minimum" '
        { sub(/^ */, "", $1) }
        $1 ~ /^[0-9]/ { lines++; ran++ }
        $1 == "#####" { lines++; missed = missed " " $2 + 0 }
        END {
            percent = lines ? 100 * ran / lines : 0
            printf "%s: %.1f %% of %d lines%s%s\n", name, percent, lines, missed ? "; not run:" : "", missed
            exit percent < minimum
        }' "$name.gcov" || status=1
done
exit $status
