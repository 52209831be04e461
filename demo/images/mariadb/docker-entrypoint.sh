#!/bin/bash
# Starts the server as user mysql; on an empty data directory makes the system tables, root and the app's user first.
set -euo pipefail

fail() { printf 'Error: %s\n' "$*" >&2; exit 1; }

# setting NAME [default]: the value of NAME, or what the file that NAME_FILE names holds.
setting() {
  local file=${1}_FILE
  if [ -n "${!file:-}" ]; then cat "${!file}"; else printf '%s' "${!1:-${2:-}}"; fi
}

text() { printf "'%s'" "$(printf %s "$1" | sed "s/\\\\/\\\\\\\\/g; s/'/''/g")"; }

make_data() {
  local root database user password
  root=$(setting MARIADB_ROOT_PASSWORD)
  database=$(setting MARIADB_DATABASE)
  user=$(setting MARIADB_USER)
  password=$(setting MARIADB_PASSWORD)
  [ -n "$root" ] || fail 'the database is not initialized and MARIADB_ROOT_PASSWORD is not set'
  mariadb-install-db --user=mysql --skip-test-db --auth-root-authentication-method=normal >/dev/null
  {
    echo "DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> 'localhost';"
    echo "FLUSH PRIVILEGES;"
    echo "ALTER USER root@localhost IDENTIFIED BY $(text "$root");"
    # In this mode, a line is a statement.
    echo "CREATE USER root@'%' IDENTIFIED BY $(text "$root");"
    echo "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;"
    [ -z "$database" ] || echo "CREATE DATABASE \`$database\`;"
    [ -z "$user" ] || echo "CREATE USER $(text "$user")@'%' IDENTIFIED BY $(text "$password");"
    [ -z "$user" ] || [ -z "$database" ] || echo "GRANT ALL ON \`$database\`.* TO $(text "$user")@'%';"
  } | mariadbd --user=mysql --bootstrap --silent-startup >/dev/null
}

[ "${1:0:1}" != - ] || set -- mariadbd "$@"
if [ "$1" = mariadbd ]; then
  chown -R mysql:mysql /var/lib/mysql /run/mysqld
  [ -d /var/lib/mysql/mysql ] || make_data
  unset MARIADB_ROOT_PASSWORD MARIADB_PASSWORD
  set -- "$@" --user=mysql
fi
exec "$@"
