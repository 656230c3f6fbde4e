-- Gives the organisation :org a history: an audit chain of :entries entries, evenly spread from :starts to :ends, in place of the
-- few that its making left. For a database that is thrown away: it needs a superuser, because the log is append-only for anybody else.
set session_replication_role = replica;
set synchronous_commit = off;
create temporary table wanted as
  select :'org'::uuid as chain, :entries::bigint as entries, :'starts'::timestamptz as starts, :'ends'::timestamptz as ends;
delete from admin_audit_log where chain = (select chain from wanted);

-- Each entry holds the hash of the one before, so they are made one after the other: the very text that evidence::chain makes.
do $$
declare
  plan wanted%rowtype;
  at timestamptz;
  before bytea;
  digest bytea;
  word text;
  detail text;
  entry uuid;
  text text;
begin
  select * into plan from wanted;
  for n in 1..plan.entries loop
    at := date_trunc('microseconds', plan.starts + (plan.ends - plan.starts) * (n::float8 / (plan.entries + 1)));
    word := case when n = 1 then 'org.created' else 'scan.ingested' end;
    detail := '{"drifted":' || n % 7 || ',"events":' || n % 11 || ',"missing":' || n % 3 || ',"scan_id":"' || md5(n::text)::uuid
              || '","state_source_id":"' || md5((n % 97)::text)::uuid || '","status":"done"}';
    entry := (lpad(to_hex(floor(extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3)
              || '8' || lpad(to_hex(n), 15, '0'))::uuid;
    text := '{"action":"' || word || '","actor":{"id":"generator","type":"system"},"chain":"' || plan.chain || '","created_at":"'
            || to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '","detail":' || detail || ',"id":"' || entry
            || '","origin":"bench","outcome":"success","prev_hash":' || coalesce('"' || encode(before, 'hex') || '"', 'null')
            || ',"seq":' || n || '}';
    digest := sha256(convert_to(E'v1\n' || text, 'UTF8'));
    insert into admin_audit_log values (
      plan.chain, n, entry, word, 'system', 'generator', at, detail, 'bench', 'success', before, digest, text);
    before := digest;
  end loop;
  update audit_chain_heads set seq = plan.entries, hash = digest, created_at = at where chain = plan.chain;
end
$$;
