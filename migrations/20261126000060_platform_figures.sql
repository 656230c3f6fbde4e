-- What platform administrators see of all packs together: how many, how large, how soon they end. Only counted, never read
-- one by one; changes stay with the organisation. The index has the column that row security asks for, too.
create policy audit_exports_platform on audit_exports for select
  using (driftpack_org() = '00000000-0000-0000-0000-000000000000');
create index audit_exports_figures_idx on audit_exports (status, expires_at) include (size_bytes, org_id);
