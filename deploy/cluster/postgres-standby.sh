#!/bin/sh
# Copies the primary when there is no data yet, then follows it: a hot standby, for reading.
#   PRIMARY_HOST, PRIMARY_PORT (5432), REPLICATION_PASSWORD
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  rm -rf "$PGDATA"
  until PGPASSWORD="$REPLICATION_PASSWORD" pg_basebackup --pgdata "$PGDATA" --write-recovery-conf --wal-method stream \
    --slot standby --checkpoint fast \
    --dbname "host=$PRIMARY_HOST port=${PRIMARY_PORT:-5432} user=standby application_name=standby"; do
    # A copy that was broken off is no copy.
    rm -rf "$PGDATA"
    sleep 2
  done
  chmod 700 "$PGDATA"
fi
exec "$@"
