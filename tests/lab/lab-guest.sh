# SPDX-License-Identifier: LGPL-2.1-or-later
# about: a lab guest does what lab/README.md says: readiness, memory, time stamps, shutdown, save and restore
# host: xen=stock daemon=no

make_guest a "lab.fill=8,7 lab.dirty=500 lab.stamp=100"
start_guest a

step "memory that is dirtied verifies"
ask a verify=1
case $(guest_key a data/lab/verify) in "ok 2048 pages "*) ;; *) fail "verify: $(guest_key a data/lab/verify)" ;; esac

step "a pause shows as the longest gap between time stamps"
ask a gap=1
expect xl pause a
before=$(cut -d' ' -f1 /proc/uptime)
wait_for 5 awk -v before="$before" '{ exit $1 - before < 1.2 }' /proc/uptime
expect xl unpause a
ask a gap=1
guest_key a data/lab/gap | awk '{ exit $2 - $1 < 1e9 }' || fail "the gap is under a second: $(guest_key a data/lab/gap)"

step "save and restore: same memory, ready again"
expect xl save a /mnt/a.save
expect xl restore /mnt/a.save
rm /mnt/a.save
wait_ready a
ask a verify=1
case $(guest_key a data/lab/verify) in "ok 2048 pages "*) ;; *) fail "verify: $(guest_key a data/lab/verify)" ;; esac

step "shutdown is ignored when told so, and obeyed otherwise"
ask a shutdown=ignore
expect xl shutdown a
asked() { [ "$(guest_key a data/lab/asked)" = "$1" ]; }
wait_for 20 asked "poweroff ignored"
running a || fail "a did not ignore the shutdown"
ask a shutdown=0
old=$(domid a)
expect xl reboot a
rebooted() { running a && [ "$(domid a)" != "$old" ]; }
wait_for 60 rebooted
wait_ready a
expect xl shutdown -w a
wait_for 20 gone a

step "network"
make_guest n "" 'vif = [ "bridge=xenbr0" ]'
start_guest n
ip addr add 10.1.0.1/24 dev xenbr0
ask n ip=10.1.0.2/24
expect ping -c 1 -W 5 10.1.0.2
ip addr del 10.1.0.1/24 dev xenbr0
