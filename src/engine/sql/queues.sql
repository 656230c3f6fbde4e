-- What is due and what runs, per workflow and version that has a run or a worker.
with queued as (
    select workflow, version, count(*) as runs, min(wake_at) as oldest
      from engine.runs
     where state = 'queued'
     group by workflow, version
),
running as (
    select workflow, version, count(*) as runs
      from engine.runs
     where state = 'running'
     group by workflow, version
),
worker as (
    select kind.workflow, kind.version, count(*) as workers
      from engine.workers
     cross join lateral json_to_recordset(kinds) as kind(workflow text, version integer)
     where seen_at > now() - interval '30 seconds'
     group by kind.workflow, kind.version
),
queue as (
    select workflow, version from queued
     union
    select workflow, version from running
     union
    select workflow, version from worker
)
select queue.workflow as "workflow!",
       queue.version as "version!",
       coalesce(queued.runs, 0) as "queued!",
       queued.oldest as oldest_due_at,
       coalesce(running.runs, 0) as "running!",
       coalesce(worker.workers, 0) as "workers!",
       declared.max_running as "max_running?",
       declared.max_running_per_key as "max_running_per_key?"
  from queue
  left join queued using (workflow, version)
  left join running using (workflow, version)
  left join worker using (workflow, version)
  left join engine.workflows as declared on declared.name = queue.workflow
 order by queue.workflow, queue.version
