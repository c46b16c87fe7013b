#!/bin/sh
# lab/install.sh demo|bench|test: installs the Debian packages that are missing; needs nothing but python3.
cd "$(dirname "$0")/.." && exec python3 -m lab.packages "$@"
