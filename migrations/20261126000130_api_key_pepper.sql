-- expand
-- A pepper is exchanged while keys are in use: for that time a key is found under two, and stored again under the one in force. The second
-- setting is empty where there is one pepper, and unknown to servers of earlier releases: then it finds nothing.
create policy api_keys_holder_accepted on api_keys for select
  using (key_hmac = decode(nullif(current_setting('driftpack.key_hmac_accepted', true), ''), 'hex'));
grant update (key_hmac) on api_keys to driftpack_app;
comment on column api_keys.key_hmac is 'HMAC-SHA-256 of the key under a configured pepper; stored again at its use while the pepper is exchanged';
