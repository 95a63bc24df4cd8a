#!/bin/sh
# One of the two servers of PostgreSQL in compose.yaml. Runs as the user postgres in the image `postgres`.
#
#   postgres.sh primary   creates the cluster if there is none, and runs it
#   postgres.sh standby   copies the one of PEER if there is none, and runs it
#   postgres.sh rejoin    makes a former primary, which must not run, the standby of PEER, and ends
#
# PEER is the host of the other server. PGPASSWORD is the password of all users.
set -eu

# The role of the server is in its files, so `primary` and `standby` say only what to do when there are none.
is_new() { ! [ -s "$PGDATA/PG_VERSION" ]; }

copy() {
    until pg_basebackup -h "$PEER" -U postgres -D "$PGDATA" --write-recovery-conf --checkpoint=fast; do
        # It leaves nothing behind when it fails.
        sleep 1
    done
    # A standby that is promoted has no standby of its own to wait for.
    sed -i '/^synchronous_standby_names/d' "$PGDATA/postgresql.auto.conf"
}

case $1 in
primary)
    if is_new; then
        initdb -U postgres -E UTF8 --locale=C.UTF-8 --data-checksums --auth-local=trust --auth-host=scram-sha-256
        cat >>"$PGDATA/postgresql.conf" <<END
listen_addresses = '*'
max_connections = 200
# pg_rewind reads the log of the time before a failover.
wal_keep_size = '256MB'
# After a restart of the primary, changes wait until its standby is connected again.
wal_retrieve_retry_interval = '500ms'
END
        printf 'host all all all scram-sha-256\nhost replication postgres all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
        pg_ctl -w -o '-c listen_addresses=' start
        psql -U postgres -v ON_ERROR_STOP=1 -v password="$PGPASSWORD" <<END
ALTER ROLE postgres PASSWORD :'password';
CREATE ROLE app LOGIN PASSWORD :'password';
CREATE DATABASE connectory OWNER app ENCODING 'UTF8' TEMPLATE template0;
-- From the next start on, no commit is confirmed before a standby has it.
ALTER SYSTEM SET synchronous_standby_names = '*';
END
        pg_ctl -w stop
    fi
    ;;
standby)
    if is_new; then copy; fi
    ;;
rejoin)
    psql -h "$PEER" -U postgres -c CHECKPOINT
    if ! pg_rewind --target-pgdata "$PGDATA" --source-server "host=$PEER user=postgres dbname=postgres" --write-recovery-conf; then
        # It lacks a part of the log. The folder itself is a volume.
        find "$PGDATA" -mindepth 1 -delete
        copy
    fi
    exit
    ;;
*)
    echo "postgres.sh: expected primary, standby or rejoin; got $1" >&2
    exit 2
    ;;
esac
# A former primary would be a second one. This finds it only if PEER answers now.
if ! [ -e "$PGDATA/standby.signal" ] &&
    [ "$(PGCONNECT_TIMEOUT=3 psql -h "$PEER" -U postgres -XAtc 'SELECT pg_is_in_recovery()' 2>/dev/null)" = f ]; then
    echo "postgres.sh: $PEER is the primary now; make this server its standby with: postgres.sh rejoin" >&2
    exit 1
fi
exec postgres
