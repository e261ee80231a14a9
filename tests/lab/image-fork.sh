# SPDX-License-Identifier: LGPL-2.1-or-later
# about: no thread opens or closes a handle of Xen's libraries while another one forks: its child would wait for ever
# host: daemon=no
# timeout: 400

watched() {
    expect env LD_PRELOAD=/usr/lib/domgrp-lab/lab-fork-watch.so timeout $((100 * LAB_PATIENCE)) \
        lab-image "$@"
}

for name in a b c d; do
    make_guest "$name" "lab.fill=1,1"
done
start_guest a b c d

step "saved"
watched save "$PWD/lab.img" a b c d
step "restored"
watched restore "$PWD/lab.img"
rm "$PWD/lab.img"
step "saved while they run"
watched save --live --keep "$PWD/lab.img" a b c d
verify a b c d
