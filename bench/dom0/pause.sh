# SPDX-License-Identifier: LGPL-2.1-or-later
# Pause skew of a group of N members against a loop of `xl pause` and against one process that calls libxc.
# Usage: pause.sh N REPEATS
. /root/bench/lib.sh
n=$1 repeats=$2

configs p "$n"
domgrp create p.grp
all_ready p "$n"
domids=$(for name in $(names p "$n"); do xl domid "$name"; done)
for _ in $(seq "$repeats"); do
    domgrp pause --json p > pause.json
    echo "pause_skew_domgrp $(field request_ns < pause.json)"
    echo "pause_stopped_domgrp $(field stopped_ns < pause.json)"
    domgrp unpause p
    echo "pause_skew_libxc $(bench-pause-each $domids)"
    each_pause p "$n"
done
domgrp destroy p
domgrp delete p
