# SPDX-License-Identifier: LGPL-2.1-or-later
# about: an ordinary guest gets nothing from the group hypercall but refusals
# host: daemon=no

gone() {
    ! xl list stranger > /dev/null 2>&1
}

crashed() {
    [ "$(xl list | awk '$1 == "stranger" { print $5 }')" = "---sc-" ]
}

ended() {
    gone || crashed
}

start_stranger() {
    cat > stranger.cfg << END
name = "stranger"
memory = 32
kernel = "/usr/lib/domgrp-lab/lab-stranger"
extra = "$1"
on_poweroff = "destroy"
on_crash = "preserve"
END
    expect xl create -q stranger.cfg
    wait_for 60 ended
}

step "every operation is refused; an unknown one, a wrong version and bad pointers are told apart"
start_stranger right
expect gone

step "it does look: with one wrong expectation it crashes"
start_stranger wrong
expect crashed
expect xl destroy stranger
