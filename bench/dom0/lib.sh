# SPDX-License-Identifier: LGPL-2.1-or-later
# Measuring in dom0. A result is a line "NAME VALUE"; values are nanoseconds unless the name says otherwise.
# Sourced by the files beside it; bench/run copies all of them into /root/bench and reads what they print.
set -eu
cd /root/bench

# configs PREFIX N: N guests' xl.cfg files, PREFIX1.cfg ..., and a group file PREFIX.grp of them all.
configs() {
    members=
    i=1
    while [ "$i" -le "$2" ]; do
        cat > "$1$i.cfg" <<CFG
name = "$1$i"
memory = 96
kernel = "/lab/guest/vmlinux"
ramdisk = "/lab/guest/initramfs"
extra = "console=hvc0 mitigations=off"
CFG
        members="$members \"$1$i.cfg\","
        i=$((i + 1))
    done
    printf 'name = "%s"\nmembers = [%s ]\n' "$1" "$members" > "$1.grp"
}

now() {
    ./bench-clock
}

# timed NAME COMMAND...: the command's wall time.
timed() {
    name=$1
    shift
    began=$(now)
    "$@" > /root/bench/last 2>&1 || { echo "$*: failed:" >&2; cat /root/bench/last >&2; exit 1; }
    echo "$name $(($(now) - began))"
}

# each VERB PREFIX N: what users write today, `xl VERB` for one guest after the other.
each() {
    i=1
    while [ "$i" -le "$3" ]; do
        case $1 in
        create) xl -q create "$2$i.cfg" ;;
        shutdown) xl shutdown -w "$2$i" ;;
        *) xl "$1" "$2$i" ;;
        esac || return 1
        i=$((i + 1))
    done
}

# each_pause PREFIX N: the time from the end of the first `xl pause` to that of the last.
each_pause() {
    xl pause "${1}1"
    began=$(now)
    i=2
    while [ "$i" -le "$2" ]; do
        xl pause "$1$i"
        i=$((i + 1))
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
