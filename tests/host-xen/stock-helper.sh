#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# In the stock helper's place: says how it was started.
echo "stock $*"
