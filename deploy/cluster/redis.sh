#!/bin/sh
# Starts a Redis that Sentinel may make master or replica: its role is in a file, which Redis rewrites when it changes, so that
# a restart does not undo a failover. Caches and counters only: nothing is written down, the least used goes when memory is full.
#   REDIS_PASSWORD     of every Redis
#   REDIS_REPLICA_OF   the master's address, for the one that begins as its replica
#   REDIS_DATA         folder of the file (/data)
set -eu
umask 077
conf="${REDIS_DATA:-/data}/redis.conf"
if [ ! -s "$conf" ]; then
  cat > "$conf.new" <<END
port ${REDIS_PORT:-6379}
requirepass $REDIS_PASSWORD
masterauth $REDIS_PASSWORD
save ""
appendonly no
maxmemory 256mb
maxmemory-policy volatile-lru
${REDIS_REPLICA_OF:+replicaof $REDIS_REPLICA_OF}
END
  mv "$conf.new" "$conf"
fi
exec redis-server "$conf"
