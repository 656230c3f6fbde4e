-- What workers declare about workflows, who the workers are, and whose turn it is.

create table engine.workflows (
    name                text        not null,
    max_running         integer,
    max_running_per_key integer,
    retention           interval    not null,
    declared_at         timestamptz not null,
    constraint workflows_pkey primary key (name)
);

comment on column engine.workflows.max_running is 'Runs that hold a worker at the same time, across all processes; null = no limit.';
comment on column engine.workflows.retention is 'How long ended runs are kept.';

create table engine.workers (
    id          text        not null,
    program     text        not null,
    concurrency integer     not null,
    kinds       json        not null,
    lease       interval    not null,
    started_at  timestamptz not null,
    seen_at     timestamptz not null,
    constraint workers_pkey primary key (id)
);

comment on column engine.workers.program is 'The name and version that the program gave itself.';
comment on column engine.workers.kinds is 'The workflows and versions that it runs.';

-- The lanes of a workflow that have something queued and room for it, in the order in which they are to be served: a
-- lane is a key within a version and a priority. The highest priority that has room goes first; within it the keys
-- go round, beginning after `p_cursor`, the key that was served last.
--
-- Where the workflow has a limit, callers take turns (an advisory lock until their transaction ends), and what runs is
-- counted after the lock is had: limits hold across processes.
create function engine.lanes(p_workflow text, p_versions integer[], p_cursor text, p_slots integer)
returns table (version integer, priority integer, key text, room integer) language plpgsql as $$
declare
    workflow record;
    counts jsonb := '{}';
    total integer := p_slots;
    found_here integer;
    wrapped boolean;
    inclusive boolean;
    spot text;
begin
    select w.max_running, w.max_running_per_key into workflow
      from engine.workflows as w
     where w.name = p_workflow;
    if workflow.max_running is not null or workflow.max_running_per_key is not null then
        perform pg_advisory_xact_lock(hashtextextended('engine.lanes ' || p_workflow, 0));
        select coalesce(jsonb_object_agg(running.key, running.n), '{}'),
               least(p_slots, workflow.max_running - coalesce(sum(running.n), 0))
          into counts, total
          from (
                select r.key, count(*) as n
                  from engine.runs as r
                 where r.state = 'running' and r.workflow = p_workflow
                 group by r.key
               ) as running;
    end if;
    foreach version in array p_versions loop
        exit when total <= 0;
        priority := null;
        found_here := 0;
        loop
            select r.priority into priority
              from engine.runs as r
             where r.state = 'queued' and r.workflow = p_workflow and r.version = lanes.version
               and r.priority < coalesce(lanes.priority, 2147483648)
             order by r.priority desc
             limit 1;
            exit when not found;
            wrapped := false;
            inclusive := false;
            spot := p_cursor;
            loop
                if inclusive then
                    select r.key into key from engine.runs as r
                     where r.state = 'queued' and r.workflow = p_workflow and r.version = lanes.version
                       and r.priority = lanes.priority and r.key >= spot
                     order by r.key limit 1;
                else
                    select r.key into key from engine.runs as r
                     where r.state = 'queued' and r.workflow = p_workflow and r.version = lanes.version
                       and r.priority = lanes.priority and r.key > spot
                     order by r.key limit 1;
                end if;
                if not found then
                    exit when wrapped;
                    wrapped := true;
                    inclusive := true;
                    spot := '';
                    continue;
                end if;
                exit when wrapped and key > p_cursor;
                inclusive := false;
                spot := key;
                room := least(total, workflow.max_running_per_key - coalesce((counts ->> key)::integer, 0));
                if room > 0 and workflow.max_running is not null then
                    -- One by one, so that lanes together do not get more than there is; whoever claims comes again.
                    room := 1;
                    total := total - 1;
                end if;
                if room > 0 and workflow.max_running_per_key is not null then
                    -- What is left for this key's lane of another version, or of a lower priority.
                    counts := counts || jsonb_build_object(key, coalesce((counts ->> key)::integer, 0) + room);
                end if;
                if room > 0 then
                    found_here := found_here + 1;
                    return next;
                    exit when found_here >= p_slots or total <= 0;
                end if;
            end loop;
            exit when found_here > 0;
        end loop;
    end loop;
end
$$;
