# SPDX-License-Identifier: LGPL-2.1-or-later
# about: by the host alone: guests are saved at one moment and restored, with their memory as it was; a save that fails leaves them running
# host: daemon=no
# timeout: 300

image=$PWD/lab.img

make_guest a "lab.fill=4,1"
make_guest b "lab.fill=4,2"
start_guest a b
ask a dirty=50

step "a failed save: everybody runs on, no file"
refuse 'SNAPSHOT_FAILED: .* exit status 3: no room' \
    lab-image save --snapshot 'echo no room >&2; exit 3' "$image" a b
[ ! -e "$image" ] || fail "a file was left"
verify a b

step "a guest that does not answer: cancelled, everybody runs on"
refuse 'failed: CANCELLED' lab-image save --freeze b --cancel 2000 "$image" a b
wait_for 10 no_helper
verify a b

step "saved, and gone"
shows 'total_ms' lab-image save --snapshot 'echo vg/$DOMGRP_GROUP' "$image" a b
gone a && gone b || fail "still there"
refuse 'FILE_UNREADABLE: .*File exists; remove it' lab-image save "$image"

step "restored"
shows 'disk=vg/lab' lab-image restore "$image"
verify a b

step "live, and they go on"
shows 'still_ms' lab-image save --live --keep "$PWD/live.img" a b
verify a b
no_helper || fail "a helper was left"
