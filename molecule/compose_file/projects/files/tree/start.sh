#!/bin/sh
# Takes the place of the entry point of the image.
exec app serve "$(cat /etc/app/app.conf)" "$(stat -c "%a %u" /run/secret.conf /opt/start.sh | tr "\n" " ")"
