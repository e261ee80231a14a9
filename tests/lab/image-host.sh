# SPDX-License-Identifier: LGPL-2.1-or-later
# about: by the host alone: guests are saved at one moment and restored, from a file or through a pipe, with their memory as it was; a save that fails leaves them running
# host: daemon=no
# timeout: 400

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

step "one that is copied and then does not answer, and one that is destroyed meanwhile"
refuse 'failed: CANCELLED' lab-image save --live --freeze b --copied --cancel 2000 "$image" a b | tee out
grep -q suspend_ms out || fail "it was not copied"
wait_for 10 no_helper
verify a b
refuse 'copy_ms' lab-image save --live --lose b "$image" a b
gone b || fail "b is there"
no_helper || fail "a helper was left"
verify a
start_guest b
[ ! -e "$image" ] || fail "a file was left"

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

step "a pipe whose other end goes away, or takes no more: everybody runs on"
refuse 'failed: LINK_LOST: .* does not get to the other host: Broken pipe' \
    lab-image save --pipe --hangup 3000000 "$PWD/cut.img" a b
verify a b
refuse 'failed: LINK_LOST' lab-image save --live --pipe --hangup 3000000 "$PWD/cut.img" a b
verify a b
refuse 'failed: CANCELLED' lab-image save --live --pipe --stall 3000000 --cancel 3000 "$PWD/cut.img" a b | tee out
! grep -q suspend_ms out || fail "the copy was done although it was cancelled"
wait_for 10 no_helper
verify a b

rm "$image" "$PWD/live.img" "$PWD/cut.img"

step "through a pipe, and gone"
shows 'total_ms' lab-image save --pipe "$PWD/plain.img" a b
gone a && gone b || fail "still there"

step "what comes in too short, from somebody who is silent, or otherwise than announced: nobody is left"
refuse 'failed: IMAGE_INVALID' lab-image receive --hangup 3000000 "$PWD/plain.img"
refuse 'failed: IMAGE_INVALID: .* more members' lab-image receive --members 1 "$PWD/plain.img"
refuse 'failed: IMAGE_INVALID: .* before it says' lab-image receive --members 3 "$PWD/plain.img"
refuse 'failed: IMAGE_INVALID: .* has more than the' lab-image receive --memory 0 "$PWD/plain.img"
refuse 'failed: CANCELLED' lab-image receive --stall 3000000 --cancel 3000 "$PWD/plain.img"
gone a && gone b || fail "somebody is there"

step "received"
shows 'file_bytes=[1-9]' lab-image receive "$PWD/plain.img"
verify a b

rm "$PWD/plain.img"

step "through a pipe while they run, and received"
shows 'cut_ms' lab-image save --live --pipe "$PWD/live-pipe.img" a b
gone a && gone b || fail "still there"
shows 'memory_bytes=[1-9]' lab-image receive "$PWD/live-pipe.img"
verify a b

rm "$PWD/live-pipe.img"

step "all of it without our save helper"
export LIBXL_SAVE_HELPER=/usr/lib/xen-4.17/bin/libxl-save-helper
shows 'cut_ms' lab-image save --live --pipe "$PWD/stock.img" a b
shows 'memory_bytes=[1-9]' lab-image receive "$PWD/stock.img"
verify a b
