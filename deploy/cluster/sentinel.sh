#!/bin/sh
# Starts a Sentinel of the master "core-nest". What it learns (the others, the present master) it keeps in its file.
#   REDIS_PASSWORD   of every Redis and every Sentinel
#   REDIS_MASTER     address and port of the first master
#   REDIS_DATA       folder of the file (/data)
set -eu
umask 077
conf="${REDIS_DATA:-/data}/sentinel.conf"
if [ ! -s "$conf" ]; then
  cat > "$conf.new" <<END
port ${REDIS_PORT:-26379}
requirepass $REDIS_PASSWORD
sentinel sentinel-pass $REDIS_PASSWORD
sentinel monitor core-nest $REDIS_MASTER 2
sentinel auth-pass core-nest $REDIS_PASSWORD
sentinel down-after-milliseconds core-nest 3000
sentinel failover-timeout core-nest 10000
sentinel parallel-syncs core-nest 1
END
  mv "$conf.new" "$conf"
fi
exec redis-server "$conf" --sentinel
