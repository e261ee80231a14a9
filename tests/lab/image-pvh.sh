# SPDX-License-Identifier: LGPL-2.1-or-later
# about: a group of a PV and a PVH guest is checkpointed, saved and restored
# host: mem=1536 cpu=qemu64,+rdrand,+svm,+npt
# timeout: 300

image=$PWD/shop.img

make_guest db "lab.fill=4,1"
make_guest web "lab.fill=4,2" 'type = "pvh"'
make_group shop db web
expect domgrp create shop.grp
wait_ready db
wait_ready web

step "it goes on where it stood still"
expect domgrp checkpoint --live shop "$PWD/point.img"
verify db web

step "saved and restored"
expect domgrp save shop "$image"
gone db && gone web || fail "members are still there"
expect domgrp image verify "$image"
expect domgrp restore "$image"
shows '^shop .* 2/2 .*running' domgrp list
verify db web
