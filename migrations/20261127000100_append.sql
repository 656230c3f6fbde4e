-- expand
-- An entry is put behind the head of its chain, which stays locked until the transaction ends, by one call. The text that is hashed is the
-- frame (`before_time`, `before_link`) with the entry's place in it, as `evidence::chain::Frame` says. A function, because its plans are kept and
-- its statements begun anew are small: what waits for the head waits as long as the one before takes here. It works with the rights
-- of whoever calls it. Nothing but nulls: the chain is not there.
create function driftpack_append(
  p_chain uuid, p_id uuid, p_action text, p_actor_type text, p_actor_id text, p_detail text, p_origin text, p_outcome text,
  before_time text, before_link text,
  out seq bigint, out created_at timestamptz, out prev_hash bytea, out hash bytea)
language plpgsql as $$
declare
  canonical text;
begin
  select head.seq, head.hash, head.created_at into seq, prev_hash, created_at
    from audit_chain_heads head
   where head.chain = p_chain
     for update;
  if not found then
    return;
  end if;
  seq := seq + 1;
  -- Apart from the statement that waits, so that the time is taken when the lock is held.
  created_at := greatest(clock_timestamp(), created_at);
  canonical := before_time || to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            || before_link || coalesce('"' || encode(prev_hash, 'hex') || '"', 'null')
            || ',"seq":' || seq || '}';
  hash := sha256(convert_to(E'v1\n' || canonical, 'UTF8'));
  insert into admin_audit_log (
    chain, seq, id, action, actor_type, actor_id, created_at, detail, origin, outcome, prev_hash, hash, canonical)
  values (
    p_chain, seq, p_id, p_action, p_actor_type, p_actor_id, created_at, p_detail, p_origin, p_outcome, prev_hash, hash, canonical);
  update audit_chain_heads head
     set seq = driftpack_append.seq,
         hash = driftpack_append.hash,
         created_at = driftpack_append.created_at
   where head.chain = p_chain;
end
$$;
comment on function driftpack_append is 'Adds an entry to an audit chain; the program hashes it again and compares';
