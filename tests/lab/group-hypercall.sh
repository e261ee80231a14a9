# SPDX-License-Identifier: LGPL-2.1-or-later
# about: every operation and every documented error of the hypercall, from dom0
# host: daemon=no

xendomgrp-test | tee out
if grep -q '^not ok' out; then
    fail "$(grep -c '^not ok' out) checks failed"
fi
expect grep -q '^1\.\.[1-9]' out
