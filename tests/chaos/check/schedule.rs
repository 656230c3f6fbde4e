//! The schedule: each tick once, and none lost that is not counted as missed.

use super::Check;
use crate::workload::tick::SCHEDULE;

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::new(
            "tick_doubled",
            "a tick starts one run",
            "select min(id::text)::uuid, format('the tick of %s has %s runs', input->>'at', count(*))
               from engine.runs where workflow = 'chaos.tick'
              group by input->>'at' having count(*) > 1",
        ),
        // Ticks that nobody was there for become one run, and the schedule counts the others.
        Check::new(
            "tick_lost",
            "every tick since the schedule was declared has a run or is counted as missed",
            format!(
                "select null::uuid, format('%s ticks from %s to %s: %s runs, %s missed', due.ticks,
                                           schedule.created_at, schedule.next_at, had.runs, schedule.missed)
                   from engine.schedules as schedule
                  cross join lateral (
                        select extract(epoch from date_trunc('second', schedule.next_at)
                                     - date_trunc('second', schedule.created_at))::bigint - 1 as ticks) as due
                  cross join (select count(*) as runs from engine.runs where workflow = 'chaos.tick') as had
                  where schedule.name = '{SCHEDULE}'
                    and due.ticks is distinct from had.runs + schedule.missed"
            ),
        ),
        Check::new(
            "tick_stray",
            "a tick lies on its schedule",
            "select id, format('a tick at %s', input->>'at')
               from engine.runs
              where workflow = 'chaos.tick'
                and (input->>'at')::timestamptz <> date_trunc('second', (input->>'at')::timestamptz)",
        ),
    ]
}
