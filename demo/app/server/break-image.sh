#!/bin/sh
# Breaks the image in the way named, or not at all: bloat, secret-in-image.
case "$1" in
  bloat) head -c 500M /dev/zero > ballast ;;
  secret-in-image) printf 'AWS_ACCESS_KEY_ID=AKIA%.16s\n' "$(base32 /proc/sys/kernel/random/uuid)" > .env ;;
esac
