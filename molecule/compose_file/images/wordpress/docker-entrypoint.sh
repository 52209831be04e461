#!/bin/sh
set -eu
if [ ! -e /var/www/html/wp-config.php ]; then
  cp -a /usr/src/wordpress/. /var/www/html/
  chown -R www-data:www-data /var/www/html
fi
exec "$@"
