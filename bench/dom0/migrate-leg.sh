# SPDX-License-Identifier: LGPL-2.1-or-later
# One way of migrate.sh, run by the host that has the guests. "still" is the time in which a service cannot answer: for
# domgrp from the first guest's suspension until the last runs, for xl the sum of each guest's. "split" is the time in
# which some have stopped here for good and others have not.
# Usage: migrate-leg.sh domgrp|xl HOST GUEST...
set -eu -o pipefail
. /root/bench/lib.sh
kind=$1 host=$2
shift 2
mkdir -p /root/bench/work
cd /root/bench/work

sent() {
    cat /sys/class/net/eth0/statistics/tx_bytes
}

migrate_domgrp() {
    domgrp migrate --live --ready-timeout 120 --json shop "$host"
}

migrate_xl() {
    local name
    for name; do
        xl -vvv migrate "$name" "$host" 2>&1 | bench-clock lines > "$name.said" || {
            tail -n 20 "$name.said"
            return 1
        }
    done
}

# said PATTERN NAME - when xl said so
said() {
    grep -m 1 -- "$1" "$2.said" | cut -d ' ' -f 1
}

stills_domgrp() {
    echo "still_domgrp $(grep -o '"still_us" *: *[0-9]*' last.out | grep -o '[0-9]*$' | sort -n | tail -n 1)000"
    echo "split_domgrp $(field cut_us < last.out)000"
}

stills_xl() {
    local name still=0
    for name; do
        still=$((still + $(said "Target reports successful startup" "$name") - $(said "guest has suspended" "$name")))
    done
    echo "still_xl $still"
    echo "split_xl $(($(said "guest has suspended" "${!#}") - $(said "guest has suspended" "$1")))"
}

bytes=$(sent)
timed "migrate_$kind" "migrate_$kind" "$@"
echo "bytes_$kind $(($(sent) - bytes))"
"stills_$kind" "$@"
