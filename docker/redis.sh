#!/bin/sh
# Starts Redis as Satchel needs it. The password goes in by standard input, not by the command line.
set -eu
exec redis-server - <<CONF
requirepass $REDIS_PASSWORD
dir /data
appendonly yes
appendfsync always
save ""
rdbcompression no
auto-aof-rewrite-min-size 256mb
maxmemory ${REDIS_MAXMEMORY:-2gb}
maxmemory-policy noeviction
CONF
