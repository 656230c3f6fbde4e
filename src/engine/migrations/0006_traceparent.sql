-- expand
-- Runs keep where in a distributed trace they were started. Whoever does not know the column leaves it out.
alter table engine.runs add column traceparent text;
comment on column engine.runs.traceparent is 'Where in a distributed trace it was started, as W3C Trace Context writes it.';
