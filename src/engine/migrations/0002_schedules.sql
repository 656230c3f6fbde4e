-- Cron schedules: declared in code, kept here so that every replica agrees on the next tick.

create table engine.schedules (
    name        text        not null,
    workflow    text        not null,
    cron        text        not null,
    zone        text        not null,
    misfire     text        not null,
    misfire_max integer     not null,
    next_at     timestamptz,
    last_at     timestamptz,
    missed      bigint      not null default 0,
    paused_at   timestamptz,
    error       text,
    created_at  timestamptz not null,
    constraint schedules_pkey primary key (name),
    constraint schedules_misfire_known check (misfire in ('skip', 'once', 'all'))
);

comment on column engine.schedules.zone is 'IANA name of the time zone that the cron expression is read in.';
comment on column engine.schedules.misfire is 'What happens to ticks that passed while no worker was there.';
comment on column engine.schedules.misfire_max is 'Most runs for passed ticks at once.';
comment on column engine.schedules.next_at is 'The next tick; null when the expression has none.';
comment on column engine.schedules.last_at is 'The last tick that started a run.';
comment on column engine.schedules.missed is 'Ticks passed over because no worker was there in time, or the schedule was paused.';
comment on column engine.schedules.error is 'Why the last attempt to fire it failed; null when it did not.';

-- Ticks that somebody asked for: run now, and backfills. A worker that has the schedule in its code serves them, because
-- only the code can make a run's input.
create table engine.asked_ticks (
    schedule text        not null,
    tick     timestamptz not null,
    asked_at timestamptz not null,
    constraint asked_ticks_pkey primary key (schedule, tick)
);
