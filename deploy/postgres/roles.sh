#!/usr/bin/env bash
# Makes the two roles and the database, once, when an empty Postgres starts for the first time (docker-entrypoint-initdb.d). By hand, on any Postgres:
#
#   PGHOST=… PGUSER=postgres SECRETS=deploy/secrets bash deploy/postgres/roles.sh
#
# driftpack_owner owns the database and migrates it (it may create databases for `driftpack migrate --plan` alone); driftpack_app owns nothing and is
# what `serve` and `worker` sign in as, so that row-level security holds for it. `driftpack admin doctor` proves that it is so. Passwords are read from
# files, and are in no list of processes.
set -euo pipefail
export SECRETS=${SECRETS:-/run/secrets}
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-${PGUSER:-postgres}}" --dbname postgres <<'SQL'
\set owner `cat "$SECRETS/owner_password"`
\set app `cat "$SECRETS/app_password"`
create role driftpack_owner login createrole createdb password :'owner';
create role driftpack_app login password :'app';
create database driftpack owner driftpack_owner encoding 'UTF8' template template0;
revoke all on database driftpack from public;
grant connect on database driftpack to driftpack_app;
SQL
