# SPDX-License-Identifier: LGPL-2.1-or-later
# Create, shutdown and destroy of N members: domgrp against a loop of xl, in turn.
# Usage: life.sh N REPEATS
. /root/bench/lib.sh
n=$1 repeats=$2

configs g "$n"
for _ in $(seq "$repeats"); do
    timed create_domgrp domgrp create g.grp
    all_ready g "$n"
    timed shutdown_domgrp domgrp shutdown -w g
    timed start_domgrp domgrp start g
    all_ready g "$n"
    timed destroy_domgrp domgrp destroy g
    domgrp delete g

    timed create_xl each create g "$n"
    all_ready g "$n"
    timed shutdown_xl each shutdown g "$n"
    each create g "$n"
    all_ready g "$n"
    timed destroy_xl each destroy g "$n"
done
