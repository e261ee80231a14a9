# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Run in dom0 by bench/debian-set: boots one Debian guest after the other, waits until its service answers, and saves
# it with xl to /mnt/debian-set.

set -eu -o pipefail
. /lab/scenario.sh
. /root/guests.sh
mkdir -p /mnt/debian-set
cd "$(mktemp -d)"
ip addr add 10.1.0.1/24 dev xenbr0

for name in redis nginx exim; do
    debian_guest "$name"
    expect xl create -q "$name.cfg"
    debian_ready "$name"
    expect xl save "$name" "/mnt/debian-set/$name.save"
done
