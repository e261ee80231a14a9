#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# usage: demo.sh PART...     (group image migrate end)
#
# What `make demo` plays in an emulated host's dom0: the main job, a group as an image, its migration to the host h2, the
# end of it. Every line that starts with # below was typed as shown, and what follows it is what it printed.

set -eu -o pipefail
where=()    # how a command reaches the host that has the group
cd /root/examples/shop

if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi

tell() {
    printf '\n%s\n' "$*"
}

type() {
    printf '%s# %s%s\n' "$bold" "$*" "$plain"
    "$@"
}

# refused COMMAND... - typed too, and must fail
refused() {
    ! type "$@" 2>&1
}

# ensure_group - where the part that makes it is not played
ensure_group() {
    domgrp info shop > /dev/null 2>&1 || type domgrp create shop.grp
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

migrate() {
    tell "There is a second host, h2. How long have the group's guests been up, and how long have their domains been here?"
    type lab-uptime

    tell "Could h2 take all of it? This changes nothing on either host."
    type domgrp migrate --dry-run --live shop h2

    tell "What cannot go is told before anything stops: there is no host h3."
    refused domgrp migrate --live shop h3

    tell "Move it while it runs, by ssh: most of the memory is sent first, then all members stand still for the rest. Until h2
has all of it the group is here, from then on there. (An emulated host is slow: h2 is given a minute to be ready.)"
    follow
    type domgrp migrate --live --ready-timeout 60 shop h2
    where=(ssh h2)
    followed migrate

    tell "Nothing of it is here any more, all of it is there."
    type domgrp list
    type ssh h2 domgrp list

    tell "Its domains on h2 are new, but the guests have been up all the time."
    type ssh h2 lab-uptime
}

end() {
    tell "Pull the plug on all of it, and forget it."
    type "${where[@]}" domgrp destroy shop
    type "${where[@]}" domgrp delete shop
    type "${where[@]}" domgrp list
}

for part; do
    case $part in
    group) main_job ;;
    image)
        ensure_group
        image
        ;;
    migrate)
        ensure_group
        migrate
        ;;
    end) end ;;
    *)
        echo "demo.sh: there is no part $part" >&2
        exit 1
        ;;
    esac
done
