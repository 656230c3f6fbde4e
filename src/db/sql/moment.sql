select pg_current_snapshot()::text as "snapshot_id!",
       now() as "taken_at!",
       case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
            else pg_current_wal_lsn() end::text as "wal_lsn!",
       (select max(version) from _sqlx_migrations where success) as "schema_version!",
       current_setting('server_version') as "server_version!",
       (select system_identifier::text from pg_control_system()) || '/' || current_database() as "installation!"
