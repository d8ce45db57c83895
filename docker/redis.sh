#!/bin/sh
# Starts Redis as Satchel needs it. Its users are those of redis-users.acl: `default` is off, and `satchel` may do what
# Satchel does, on its own keys; the file has the SHA-256 of its password. (Add a line there for a user of your own.)
set -eu
umask 077
hash=$(printf %s "$REDIS_PASSWORD" | sha256sum | cut -d ' ' -f 1)
sed "s/@REDIS_PASSWORD_SHA256@/$hash/" /satchel-redis-users.acl > /tmp/users.acl
exec redis-server - <<CONF
aclfile /tmp/users.acl
dir /data
appendonly yes
appendfsync always
save ""
rdbcompression no
auto-aof-rewrite-min-size 256mb
maxmemory ${REDIS_MAXMEMORY:-2gb}
maxmemory-policy noeviction
CONF
