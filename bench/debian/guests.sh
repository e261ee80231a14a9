# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The three Debian guests, for scripts in dom0: redis, nginx and exim, each with a disk of its own and a service that
# answers at 10.1.0.2, .3 and .4. Sourced after /lab/scenario.sh; their initramfs is /root/debian-initramfs.

keys=200000
fill="for i = 1, $keys do redis.call('set', 'user:' .. i, 'id=' .. i .. ' token=' .. redis.sha1hex(i)) end return 'done'"

# An emulated processor is slow: systemd shall not give up on services.
units="systemd.mask=serial-getty@hvc0.service systemd.default_timeout_start_sec=1800"

# ask_service ADDRESS PORT REQUEST PATTERN - whether the guest's answer has a line that matches
ask_service() {
    printf '%s\r\n\r\n' "$3" | timeout 300 socat -t 300 - "TCP:$1:$2,connect-timeout=2" |
        grep -q -m 1 -- "$4"
}

# debian_guest NAME - writes NAME.cfg, with Debian's kernel as it comes, address randomisation and all
debian_guest() {
    local disk address
    case $1 in
        redis) disk=/dev/vdb address=10.1.0.2 ;;
        nginx) disk=/dev/vdc address=10.1.0.3 ;;
        exim) disk=/dev/vdd address=10.1.0.4 ;;
    esac
    cat > "$1.cfg" <<END
name = "$1"
memory = 448
vcpus = 1
kernel = "/lab/guest/vmlinux"
ramdisk = "/root/debian-initramfs"
extra = "console=hvc0 quiet mitigations=off cryptomgr.notests $units net.ifnames=0 address=$address/24"
disk = [ "phy:$disk,xvda,w" ]
vif = [ "bridge=xenbr0" ]
END
}

# debian_answers NAME - whether its service does
debian_answers() {
    case $1 in
        redis) ask_service 10.1.0.2 6379 "PING" "+PONG" ;;
        nginx) ask_service 10.1.0.3 80 "GET / HTTP/1.0" "Welcome to nginx" ;;
        exim) ask_service 10.1.0.4 25 "QUIT" "^220 .* Exim" ;;
    esac
}

# debian_ready NAME - waits until it does, and gives redis its keys
debian_ready() {
    wait_for 1800 debian_answers "$1"
    if [ "$1" = redis ]; then
        ask_service 10.1.0.2 6379 "EVAL \"$fill\" 0" "done" || fail "redis does not take keys"
        ask_service 10.1.0.2 6379 "DBSIZE" ":$keys" || fail "redis has not all keys"
    fi
}
