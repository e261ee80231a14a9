# SPDX-License-Identifier: LGPL-2.1-or-later
# Pause skew of a group of N members against a loop of `xl pause` and against one process that calls libxc.
# Usage: pause.sh N REPEATS
. /root/bench/lib.sh
n=$1 repeats=$2

configs p "$n"
domgrp create p.grp
domids=$(i=1; while [ "$i" -le "$n" ]; do xl domid "p$i"; i=$((i + 1)); done)
r=0
while [ "$r" -lt "$repeats" ]; do
    domgrp pause --json p > pause.json
    echo "pause_skew_domgrp $(field request_ns < pause.json)"
    echo "pause_stopped_domgrp $(field stopped_ns < pause.json)"
    domgrp unpause p
    echo "pause_skew_libxc $(./bench-pause-each $domids)"
    each_pause p "$n"
    r=$((r + 1))
done
domgrp destroy p
domgrp delete p
