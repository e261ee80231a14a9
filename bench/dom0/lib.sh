# SPDX-License-Identifier: LGPL-2.1-or-later
# Measuring in dom0. A result is a line "NAME VALUE"; values are nanoseconds unless the name says otherwise.
# Sourced by the files beside it in bash; bench/run copies all of them into dom0's /root/bench and reads the results.
. /lab/scenario.sh

# names PREFIX [FIRST] LAST: PREFIX1, PREFIX2...
names() {
    local prefix=$1 number
    shift
    for number in $(seq "$@"); do
        echo "$prefix$number"
    done
}

# configs PREFIX N: N guests' xl.cfg files, PREFIX1.cfg ..., and a group file PREFIX.grp of them all.
configs() {
    make_group "$1" $(names "$1" "$2")
}

now() {
    bench-clock
}

all_ready() {
    local name
    for name in $(names "$1" "$2"); do
        wait_ready "$name" 300
    done
}

# timed NAME COMMAND...: the command's wall time.
timed() {
    local name=$1 began
    shift
    began=$(now)
    "$@" > last.out 2>&1 || fail "$*: $(cat last.out)"
    echo "$name $(($(now) - began))"
}

# each VERB PREFIX N: what users write today, `xl VERB` for one guest after the other.
each() {
    local name
    for name in $(names "$2" "$3"); do
        case $1 in
            create) xl create -q "$name.cfg" ;;
            shutdown) xl shutdown -w "$name" ;;
            *) xl "$1" "$name" ;;
        esac || return 1
    done
}

# each_pause PREFIX N: the time from the end of the first `xl pause` to that of the last.
each_pause() {
    local began name
    xl pause "${1}1"
    began=$(now)
    for name in $(names "$1" 2 "$2"); do
        xl pause "$name"
    done
    echo "pause_skew_xl $(($(now) - began))"
    each unpause "$1" "$2"
}

# private_kib PID: memory of its own.
private_kib() {
    awk '/^Private_(Clean|Dirty):/ { kib += $2 } END { print kib }' "/proc/$1/smaps_rollup"
}

# field NAME < JSON: a number out of a flat part of it.
field() {
    sed -n "s/.*\"$1\" *: *\([0-9][0-9]*\).*/\1/p" | head -n 1
}
