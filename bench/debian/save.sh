# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Run in dom0 by bench/debian-set: boots one Debian guest after the other, waits until its service answers, and saves
# it with xl to /mnt/debian-set. Their disks are /dev/vdb, /dev/vdc and /dev/vdd.

set -eu -o pipefail
. /lab/scenario.sh
mkdir -p /mnt/debian-set
cd "$(mktemp -d)"
ip addr add 10.1.0.1/24 dev xenbr0

keys=200000
fill="for i = 1, $keys do redis.call('set', 'user:' .. i, 'id=' .. i .. ' token=' .. redis.sha1hex(i)) end return 'done'"

# ask_service PORT REQUEST PATTERN - whether the guest's answer has a line that matches
ask_service() {
    printf '%s\r\n\r\n' "$2" | timeout 300 socat -t 300 - "TCP:10.1.0.2:$1,connect-timeout=2" |
        grep -q -m 1 -- "$3"
}

# boot NAME DISK - with Debian's kernel as it comes, address randomisation and all
boot() {
    cat > "$1.cfg" <<END
name = "$1"
memory = 448
vcpus = 1
kernel = "/lab/guest/vmlinux"
ramdisk = "/root/debian-initramfs"
extra = "console=hvc0 quiet mitigations=off cryptomgr.notests systemd.mask=serial-getty@hvc0.service net.ifnames=0 address=10.1.0.2/24"
disk = [ "phy:$2,xvda,w" ]
vif = [ "bridge=xenbr0" ]
END
    expect xl create -q "$1.cfg"
}

save() {
    expect xl save "$1" "/mnt/debian-set/$1.save"
}

boot redis /dev/vdb
wait_for 1800 ask_service 6379 "PING" "+PONG"
ask_service 6379 "EVAL \"$fill\" 0" "done" || fail "redis does not take keys"
ask_service 6379 "DBSIZE" ":$keys" || fail "redis has not all keys"
save redis

boot nginx /dev/vdc
wait_for 1800 ask_service 80 "GET / HTTP/1.0" "Welcome to nginx"
save nginx

boot exim /dev/vdd
wait_for 1800 ask_service 25 "QUIT" "^220 .* Exim"
save exim
