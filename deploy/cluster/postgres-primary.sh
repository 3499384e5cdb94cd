#!/bin/sh
# Run once, by the image, when the primary's data is made: a role and a slot for the standby.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set password="$REPLICATION_PASSWORD" <<'END'
CREATE ROLE standby LOGIN REPLICATION PASSWORD :'password';
SELECT pg_create_physical_replication_slot('standby', true);
END
echo 'host replication standby samenet scram-sha-256' >> "$PGDATA/pg_hba.conf"
