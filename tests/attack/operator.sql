-- A dishonest operator with every right on the database: what they can do to an installation, past triggers and row security.
-- For a throw-away database only. Everything lives in a schema of its own, so that the tables stay as they were migrated.

create schema attack;

-- Writes an entry anew as if it had always been so: text, columns and hash agree.
create function attack.write(c uuid, s bigint, text_ text, prev bytea) returns bytea
  language plpgsql as $$
declare
  whole text := text_;
  made  bytea;
begin
  if prev is not null then
    whole := regexp_replace(whole, '"prev_hash":"[0-9a-f]{64}","seq":[0-9]+\}$',
                            format('"prev_hash":"%s","seq":%s}', encode(prev, 'hex'), s));
  end if;
  made := sha256(convert_to('v1' || chr(10) || whole, 'UTF8'));
  update admin_audit_log
     set canonical = whole, hash = made, prev_hash = prev, actor_id = whole::json -> 'actor' ->> 'id'
   where chain = c and seq = s;
  return made;
end
$$;

-- The head says what the last entry says.
create function attack.head(c uuid) returns void language sql as $$
  update audit_chain_heads as head
     set seq = entry.seq, hash = entry.hash, created_at = entry.created_at
    from (select seq, hash, created_at from admin_audit_log where chain = c order by seq desc limit 1) as entry
   where head.chain = c
$$;

-- Somebody else did what entry n records, and every hash from there on is computed again.
create function attack.rewrite(c uuid, n bigint) returns void
  language plpgsql as $$
declare
  entry record;
  prev  bytea := (select hash from admin_audit_log where chain = c and seq = n - 1);
begin
  for entry in select seq, canonical from admin_audit_log where chain = c and seq >= n order by seq loop
    if entry.seq = n then
      entry.canonical := regexp_replace(entry.canonical, '"actor":\{"id":"[^"]*"', '"actor":{"id":"somebody-else"');
    end if;
    prev := attack.write(c, entry.seq, entry.canonical, prev);
  end loop;
  perform attack.head(c);
end
$$;

-- Takes the last n entries away, and makes the head say so.
create function attack.cut(c uuid, n bigint) returns void language sql as $$
  delete from admin_audit_log
   where chain = c and seq > (select max(seq) from admin_audit_log where chain = c) - n;
  select attack.head(c);
$$;

-- Adds n entries that say what the last one says: plausible, and never happened.
create function attack.pad(c uuid, n bigint) returns void
  language plpgsql as $$
declare
  last record;
  new_id uuid;
begin
  for i in 1 .. n loop
    select * into strict last from admin_audit_log where chain = c order by seq desc limit 1;
    new_id := gen_random_uuid();
    insert into admin_audit_log (chain, seq, id, action, actor_type, actor_id, created_at, detail, origin, outcome,
                                 prev_hash, hash, canonical)
    values (c, last.seq + 1, new_id, last.action, last.actor_type, last.actor_id, last.created_at, last.detail,
            last.origin, last.outcome, last.hash, sha256(new_id::text::bytea), last.canonical);
    perform attack.write(c, last.seq + 1,
      replace(last.canonical, format('"id":"%s","origin"', last.id), format('"id":"%s","origin"', new_id)), last.hash);
  end loop;
  perform attack.head(c);
end
$$;

-- What the product itself remembers of the chain says what the chain now says: the nightly check's positions, and the heads
-- that earlier packs attested.
create function attack.forget(c uuid) returns void language sql as $$
  delete from audit_chain_checks where chain = c;
  delete from audit_chain_states where chain = c;
  update audit_exports as export
     set attested_seq = entry.seq, attested_hash = entry.hash
    from admin_audit_log as entry
   where export.org_id = c and export.attested_seq is not null and entry.chain = c
     and entry.seq = least(export.attested_seq, (select max(seq) from admin_audit_log where chain = c));
$$;

-- A chain that has no entries at all.
create function attack.drop_chain(c uuid) returns void language sql as $$
  delete from admin_audit_log where chain = c;
  update audit_chain_heads set seq = 0, hash = null, created_at = 'epoch' where chain = c;
$$;

-- Every finding was of low risk, always.
create function attack.downgrade(c uuid) returns void language sql as $$
  update findings set risk_level = 'low', risk_level_now = 'low' where org_id = c;
  update finding_events set risk_level = 'low', risk_level_now = 'low' where org_id = c;
$$;

-- The finding with the highest number was never there, nor any of its history.
create function attack.hide_finding(c uuid) returns void language sql as $$
  delete from finding_events where org_id = c and number = (select max(number) from findings where org_id = c);
  delete from findings where org_id = c and number = (select max(number) from findings where org_id = c);
$$;
