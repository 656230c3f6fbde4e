-- Everything that a program can rely on or stumble over, in the schemas that belong to no extension and not to Postgres.
--   class, name: what it is and how people call it; detail: what of it may change while the name stays;
--   of: the table (or type) that it stands on; columns: those that it is about.
with spaces as (
  select oid, nspname, nspacl, nspowner from pg_namespace
   where nspname !~ '^pg_' and nspname <> 'information_schema'
), relations as (
  select c.oid, c.relkind, c.relacl, c.relowner, c.relrowsecurity, c.relforcerowsecurity, s.nspname || '.' || c.relname as name
    from pg_class c join spaces s on s.oid = c.relnamespace
   where c.relkind in ('r', 'p', 'v', 'm', 'S') and not c.relispartition
), columns as (
  select r.name as relation, r.relkind, r.oid, a.attnum, a.attname::text as name, a.attacl, a.attnotnull,
         format_type(a.atttypid, a.atttypmod) as type, a.atthasdef or a.attidentity <> '' as is_given,
         pg_get_expr(d.adbin, d.adrelid) as value
    from relations r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = r.oid and d.adnum = a.attnum
   where r.relkind <> 'S'
), functions as (
  select p.oid, p.proacl, p.proowner, p.prosrc, p.prosecdef, p.proconfig, pg_get_function_sqlbody(p.oid) as body,
         s.nspname || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' as name,
         coalesce(pg_get_function_result(p.oid), 'nothing') as result
    from pg_proc p join spaces s on s.oid = p.pronamespace
   where p.prokind in ('f', 'p')
     and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
), about as (
  select k.oid, array_agg(a.attname::text order by a.attname) as columns
    from pg_constraint k join pg_attribute a on a.attrelid = k.conrelid and a.attnum = any (k.conkey)
   group by k.oid
)
select case relkind when 'v' then 'view' when 'm' then 'view' when 'S' then 'sequence' else 'table' end, name, '', name, '{}'::text[]
  from relations
union all
select 'column', relation || '.' || name, type, relation, array[name] from columns
union all
select 'default', relation || '.' || name, coalesce(value, 'identity'), relation, array[name] from columns where is_given
union all
select 'not null', relation || '.' || name, '', relation, array[name] from columns where attnotnull and relkind <> 'v'
union all
select case k.contype when 'c' then 'check' when 'f' then 'foreign key' when 'x' then 'exclusion' else 'unique' end,
       k.conname || ' on ' || coalesce(r.name, d.name), pg_get_constraintdef(k.oid), coalesce(r.name, d.name), coalesce(about.columns, '{}')
  from pg_constraint k
  left join (select t.oid, s.nspname || '.' || t.typname as name from pg_type t join spaces s on s.oid = t.typnamespace) d on d.oid = k.contypid
  left join relations r on r.oid = k.conrelid
  left join about on about.oid = k.oid
 where k.connamespace in (select oid from spaces) and k.contype in ('c', 'f', 'x', 'p', 'u')
   and (r.oid is not null or k.contypid <> 0)
union all
select case when i.indisunique then 'unique' else 'index' end, c.relname || ' on ' || r.name, pg_get_indexdef(i.indexrelid), r.name,
       coalesce((select array_agg(a.attname::text order by a.attname) from pg_attribute a
                  where a.attrelid = i.indrelid and a.attnum = any (i.indkey)), '{}')
  from pg_index i join relations r on r.oid = i.indrelid join pg_class c on c.oid = i.indexrelid
 where not exists (select from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))
union all
select 'trigger', t.tgname || ' on ' || r.name, pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text, r.name, '{}'
  from pg_trigger t join relations r on r.oid = t.tgrelid where not t.tgisinternal
union all
select case when p.polpermissive then 'policy' else 'restriction' end, p.polname || ' on ' || r.name,
       concat_ws(' ', p.polcmd, p.polroles::regrole[]::text, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)),
       r.name, '{}'
  from pg_policy p join relations r on r.oid = p.polrelid
union all
select 'row security', name, case when relforcerowsecurity then 'forced' else '' end, name, '{}' from relations where relrowsecurity
union all
select 'function', name || ' returns ' || result, md5(concat_ws(' ', prosrc, body, prosecdef, proconfig::text)), name, '{}' from functions
union all
select 'type', s.nspname || '.' || t.typname, t.typtype::text, s.nspname || '.' || t.typname, '{}'
  from pg_type t join spaces s on s.oid = t.typnamespace where t.typtype in ('e', 'd', 'r')
   and not exists (select from pg_depend d where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')
union all
select 'label', e.enumlabel || ' of ' || s.nspname || '.' || t.typname, '', s.nspname || '.' || t.typname, '{}'
  from pg_enum e join pg_type t on t.oid = e.enumtypid join spaces s on s.oid = t.typnamespace
union all
select 'grant', lower(g.privilege_type) || ' on ' || what.name || ' to ' || case g.grantee when 0 then 'public' else g.grantee::regrole::text end,
       '', what.name, '{}'
  from (select name, relacl as acl, relowner as owner from relations
        union all select relation || '.' || columns.name, attacl, null from columns
        union all select name, coalesce(proacl, acldefault('f', proowner)), proowner from functions
        union all select nspname::text, nspacl, nspowner from spaces) what,
       aclexplode(what.acl) g
 where g.grantee is distinct from what.owner and g.grantee <> g.grantor
