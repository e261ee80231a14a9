# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What scenarios in tests/lab/*.sh may use. A scenario is a bash script that runs in an emulated host's dom0,
# in a directory of its own, with `set -eu -o pipefail`: a command that fails fails the scenario.

LAB_PATIENCE=${LAB_PATIENCE-1}   # all time-outs are multiplied by it
export PATH=$PATH:/usr/lib/domgrp-lab

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# skip REASON - this scenario cannot run here
skip() {
    echo "SKIP: $*"
    exit 77
}

# step TEXT - says in the log what comes next
step() {
    echo "== $*"
}

# expect COMMAND... - the command must succeed
expect() {
    echo "\$ $*"
    "$@" || fail "$* (exit status $?)"
}

# refuse PATTERN COMMAND... - the command must fail, with an error that matches the extended regular expression
refuse() {
    local pattern=$1 output
    shift
    echo "\$ $*   (must fail)"
    if output=$("$@" 2>&1); then
        fail "$* succeeded: $output"
    fi
    echo "$output"
    grep -Eq -- "$pattern" <<< "$output" || fail "$*: the error does not match '$pattern'"
}

# shows PATTERN COMMAND... - the command must succeed, with output that matches
shows() {
    local pattern=$1 output
    shift
    echo "\$ $*"
    output=$("$@" 2>&1) || fail "$* (exit status $?): $output"
    echo "$output"
    grep -Eq -- "$pattern" <<< "$output" || fail "$*: the output does not match '$pattern'"
}

# equal A B [WHAT]
equal() {
    [ "$1" = "$2" ] || fail "${3-values differ}: '$1' is not '$2'"
}

# wait_for SECONDS COMMAND... - runs the command after each change in xenstore or among domains until it
# succeeds. A change that neither shows (a domain's CPU time, a file) is noticed within a second.
wait_for() {
    local limit=$((SECONDS + $1 * LAB_PATIENCE)) events pid
    shift
    exec {events}< <(exec xenstore-watch / @introduceDomain @releaseDomain 2> /dev/null)
    pid=$!
    until "$@" > /dev/null 2>&1; do
        if [ $SECONDS -ge $limit ]; then
            kill "$pid"
            exec {events}<&-
            fail "waited too long for: $*"
        fi
        read -r -t 1 -u "$events" || true
        while read -r -t 0.1 -u "$events"; do :; done   # changes come in bursts
    done
    kill "$pid"
    exec {events}<&-
}

# make_guest NAME [WORDS [LINES]] - writes NAME.cfg: a guest that does WORDS (lab/README.md), and more xl.cfg LINES
make_guest() {
    cat > "$1.cfg" <<END
name = "$1"
memory = 96
vcpus = 1
kernel = "/lab/guest/vmlinux"
ramdisk = "/lab/guest/initramfs"
extra = "console=hvc0 loglevel=4 mitigations=off cryptomgr.notests ${2-}"
${3-}
END
}

# make_group NAME MEMBER... - writes guests that do not exist yet and NAME.grp
make_group() {
    local name=$1 member members=
    shift
    for member; do
        [ -e "$member.cfg" ] || make_guest "$member"
        members+="${members:+, }\"$member.cfg\""
    done
    printf 'name = "%s"\nmembers = [ %s ]\n' "$name" "$members" > "$name.grp"
}

# start_guest NAME... - by xl, and waits until they are ready
start_guest() {
    local name
    for name; do
        expect xl create -q "$name.cfg"
    done
    for name; do
        wait_ready "$name"
    done
}

# make_witness NAME [WORDS [LINES]] - make_guest; the guest notes in the key /lab/NAME what it does and when
make_witness() {
    make_guest "$1" "lab.diary=/lab/$1 ${2-}" "tsc_mode = \"native\"
${3-}"
    xenstore-write "/lab/$1" ""
    xenstore-chmod "/lab/$1" b0
}

# notes - what witnesses have noted since the last call, in the order of time: "db start, db ready, web start"
notes() {
    local name
    for name in $(xenstore-list /lab); do
        xenstore-read -R "/lab/$name" | awk -v name="$name" 'NF { print name, $0 }'
        xenstore-write "/lab/$name" ""
    done | sort -n -k 3 | awk '{ printf "%s%s %s", between, $1, $2; between = ", " }'
}

# noted NAME EVENT - whether that is among what notes() will say
noted() {
    xenstore-read -R "/lab/$1" | grep -q "^$2 "
}

domid() {
    xl domid "$1"
}

uuid() {
    xenstore-read "/vm/$(basename "$(xenstore-read "/local/domain/$(domid "$1")/vm")")/uuid"
}

running() {
    xl domid "$1" > /dev/null 2>&1
}

gone() {
    ! running "$1"
}

# guest_key NAME PATH - a key in a guest's own xenstore directory
guest_key() {
    xenstore-read "/local/domain/$(domid "$1")/$2"
}

guest_is_ready() {
    local id
    id=$(domid "$1") && xenstore-exists "/local/domain/$id/data/ready"
}

# wait_ready NAME [SECONDS]
wait_ready() {
    wait_for "${2-60}" guest_is_ready "$1"
}

guest_answered() {
    guest_key "$1" data/lab/ack
}

# ask NAME WORDS - has a guest do something and waits until it has
ask() {
    local directory
    directory=/local/domain/$(domid "$1")/data/lab
    xenstore-rm "$directory/ack" 2> /dev/null || true
    xenstore-write "$directory/set" "$2"
    wait_for 30 guest_answered "$1"
    equal "$(guest_key "$1" data/lab/ack)" "ok $2" "guest $1"
}

# verify NAME... - guests find in their memory what they have written there
verify() {
    local name
    for name; do
        ask "$name" verify=1
        shows '^ok [1-9]' guest_key "$name" data/lab/verify
    done
}

# gaps_of NAME... - a line for each guest that takes stamps: the longest gap since this was asked last, as
# "LAST_BEFORE_NS FIRST_AFTER_NS"
gaps_of() {
    local name directory directories=
    for name; do
        directory=/local/domain/$(domid "$name")/data/lab
        xenstore-rm "$directory/gap" 2> /dev/null || true
        xenstore-write "$directory/set" gap=1
        directories+=" $directory"
    done
    for directory in $directories; do
        wait_for 30 xenstore-exists "$directory/gap"
        xenstore-read "$directory/gap"
    done
}

# gaps_spread REFERENCE GAPS - two files from gaps_of: how far apart the guests stopped, in nanoseconds, compared with
# the pause that REFERENCE tells of. Guests' clocks may differ by seconds; what they differ by is in both.
gaps_spread() {
    paste -d ' ' "$1" "$2" | awk '
        { d = $3 - $1; if (NR == 1 || d < low) low = d; if (NR == 1 || d > high) high = d }
        END { printf "%.0f\n", high - low }'
}

# no_helper - whether nothing runs that sends or takes the memory of a domain for libxl
no_helper() {
    ! cat /proc/[0-9]*/cmdline 2> /dev/null | tr '\0' ' ' | grep -q 'save-[h]elper'
}

# domain_state NAME - the letters of `xl list`
domain_state() {
    xl list "$1" | awk 'NR == 2 { print $5 }'
}
