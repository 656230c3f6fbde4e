-- Keys may end by themselves.
alter table api_keys add column expires_at timestamptz;
alter table api_keys add constraint api_keys_expires_later check (expires_at > created_at);
comment on column api_keys.expires_at is 'From then on the key opens nothing; null: it ends only by being revoked';
