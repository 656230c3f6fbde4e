-- Cron schedules: declared in code, kept here so that every replica agrees on the next tick.

create table engine.schedules (
    name       text        not null,
    workflow   text        not null,
    cron       text        not null,
    zone       text        not null,
    next_at    timestamptz,
    last_at    timestamptz,
    missed     bigint      not null default 0,
    created_at timestamptz not null,
    constraint schedules_pkey primary key (name)
);

comment on column engine.schedules.zone is 'IANA name of the time zone that the cron expression is read in.';
comment on column engine.schedules.next_at is 'The next tick; null when the expression has none.';
comment on column engine.schedules.last_at is 'The last tick that started a run.';
comment on column engine.schedules.missed is 'Ticks passed over because no worker was there in time.';
