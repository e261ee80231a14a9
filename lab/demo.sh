#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# usage: demo.sh [all|group|image]
#
# What `make demo` plays in an emulated host's dom0: the main job, then a group as an image. Every line that starts
# with # below was typed as shown, and what follows it is what it printed.

set -eu -o pipefail
part=${1:-all}
cd /root/examples/shop

if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi

tell() {
    printf '\n%s\n' "$*"
}

type() {
    printf '%s# %s%s\n' "$bold" "$*" "$plain"
    "$@"
}

# follow - notes what happens from now on; followed OPERATION - ends that and shows what it was, a line a change
follow() {
    domgrp events > /tmp/events &
    events=$!
}

followed() {
    kill $events
    wait $events 2> /dev/null || true
    printf '%s# domgrp events%s   (in another window, meanwhile)\n' "$bold" "$plain"
    grep "shop: $1" /tmp/events
}

main_job() {
    tell "Three machines of a shop, each described by a plain xl.cfg file, and a file that makes a group of them."
    type cat shop.grp
    type cat db.cfg

    tell "What would be done, in which order? This changes nothing."
    type domgrp create --dry-run shop.grp

    tell "Create the group: all domains are built at once; web and mail start when db says that it is ready."
    follow
    type domgrp create shop.grp
    followed create
    type domgrp list
    type xl list

    tell "Everything about it, down to its members:"
    type domgrp info shop

    tell "Pause it: one hypercall stops all members; the skew between the first and the last is told."
    type domgrp pause shop
    type domgrp list shop
    type domgrp unpause shop

    tell "A further domain, started by xl as ever, joins the group."
    type xl create -q cache.cfg
    type domgrp join shop cache
    type domgrp list

    tell "Reboot all of it; each member is born in its group again."
    type domgrp reboot -w shop
    type domgrp list shop

    tell "Shut it down, and wait until every guest has ended: db is asked when web and mail are down."
    follow
    type domgrp shutdown -w shop
    followed shutdown
    type domgrp list shop
    type xl list

    tell "The group is still defined: start it again. What was done, and how it ended, is kept."
    type domgrp start shop
    type domgrp list shop
    type domgrp task list
}

image() {
    tell "Save it: all members stand still in one moment, and their memory becomes one file, which has a page that several
of them share once. What is it worth?"
    type domgrp save shop /root/shop.image
    type xl list
    type domgrp image info /root/shop.image

    tell "Restore it: all of it runs on from where it stood."
    type domgrp restore /root/shop.image
    type domgrp list shop

    tell "The same in one word, into the daemon's own storage and out of it."
    type domgrp suspend shop
    type domgrp list shop
    type domgrp resume shop
    type domgrp list shop
}

end() {
    tell "Pull the plug on all of it, and forget it."
    type domgrp destroy shop
    type domgrp delete shop
    type domgrp list
}

case $part in
group)
    main_job
    ;;
image)
    type domgrp create shop.grp
    image
    ;;
*)
    main_job
    image
    ;;
esac
end
