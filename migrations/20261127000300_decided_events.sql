-- expand
-- Risks that were accepted and false positives, for the exceptions of a pack: few among many events, and looked for twice a
-- pack.
create index finding_events_decided_idx on finding_events (org_id, number) where status in ('accepted', 'false_positive');
