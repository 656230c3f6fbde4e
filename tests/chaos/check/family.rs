//! Children: each one once, no more at a time than was asked for, each end seen by the join, none left behind.

use super::Check;

const FINAL: &str = "('succeeded', 'failed', 'cancelled')";

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::new(
            "child_wrong",
            "a step that started children has started each once, and no child is there without it",
            "select step.run_id, format('it has %s children with %s places', born.children, born.places)
               from engine.steps as step
               join engine.runs as parent on parent.id = step.run_id
              cross join lateral (
                    select count(*) as children, count(distinct input->>'nth') as places
                      from engine.runs as child
                     where (child.parent_id, child.parent_seq) = (step.run_id, step.seq)) as born
              where step.kind = 'spawn' and step.state = 'done'
                and (born.children <> (parent.input->>'children')::integer or born.places <> born.children)
              union all
             select child.id, 'nobody has started it'
               from engine.runs as child
              where (child.parent_id is not null or child.workflow = 'chaos.child')
                and not exists (select from engine.steps as step
                                 where (step.run_id, step.seq) = (child.parent_id, child.parent_seq)
                                   and step.kind = 'spawn' and step.state = 'done')",
        ),
        Check::new("join_wrong", "a join sees the end of each child, and none before it has come", join()),
        Check::new("bound_exceeded", "no more children go at a time than were asked for", bound()),
        Check::new("child_left_behind", "when a parent fails or is cancelled, no child goes on", orphans()),
    ]
}

fn join() -> String {
    format!(
        "select step.run_id,
                format('the join said %s at %s; child %s ended %s at %s', said.ending, wait.ended_at, child.id,
                       child.state, ended.at)
           from engine.steps as step
           join chaos.whole_waits as wait on (wait.run_id, wait.seq) = (step.run_id, step.seq)
           join engine.runs as child on child.parent_id = step.run_id
          cross join lateral (select step.output->((child.input->>'nth')::integer) as ending) as said
           left join lateral (
                select max(move.at) as at
                  from chaos.moves as move
                 where move.run_id = child.id and move.to_state in {FINAL}) as ended on true
          where step.kind = 'join' and step.state = 'done'
            and (wait.ended_at < ended.at or ended.at is null
                 or said.ending::text::jsonb is distinct from case child.state
                        when 'succeeded' then jsonb_build_object('succeeded', child.output::text::jsonb)
                        when 'failed' then jsonb_build_object('failed', child.error::text::jsonb)
                        when 'cancelled' then jsonb_build_object('cancelled', true)
                    end)
          union all
         select step.run_id, format('the join said %s', step.output)
           from engine.steps as step
           join engine.runs as parent on parent.id = step.run_id
          where step.kind = 'join' and step.state = 'done'
            and json_array_length(step.output) <> (parent.input->>'children')::integer"
    )
}

/// From when a child may go to its end; children that are only let go in order to be cancelled do not count. A turn
/// follows an end in the same transaction, so the ledger's order is that of the truth.
fn bound() -> String {
    format!(
        "with child as (
             select id, parent_id from engine.runs where parent_id is not null),
         let_go as (
             select child.parent_id, child.id as run_id, min(move.id) as id
               from child
               join chaos.moves as move on move.run_id = child.id
              where move.to_state = 'queued' and not move.hurried
              group by child.parent_id, child.id),
         event as (
             select parent_id, id, 1 as change from let_go
              union all
             select let_go.parent_id, min(move.id), -1
               from let_go
               join chaos.moves as move on move.run_id = let_go.run_id
              where move.to_state in {FINAL}
              group by let_go.parent_id, let_go.run_id),
         level as (
             select parent_id, sum(change) over (partition by parent_id order by id) as going from event)
         select parent.id, format('%s children went at a time, at most %s were to', max(level.going), parent.input->>'bound')
           from level
           join engine.runs as parent on parent.id = level.parent_id
          group by parent.id, parent.input->>'bound' having max(level.going) > (parent.input->>'bound')::integer"
    )
}

/// A child that is at work just then may do the one step that it is at.
fn orphans() -> String {
    format!(
        "with gone as (
             select run_id as parent_id, id, at from chaos.moves where to_state in ('failed', 'cancelled'))
         select child.id, format('its parent was gone at %s; it became %s at %s, unasked to stop', gone.at, move.to_state, move.at)
           from gone
           join engine.runs as child on child.parent_id = gone.parent_id
           join chaos.moves as move on move.run_id = child.id and move.id > gone.id
          where move.to_state in ('running', 'succeeded', 'failed', 'cancelled') and not move.hurried
          union all
         select child.id, format('its parent was gone at %s; it did %s steps after that', gone.at,
                                 count(distinct (effect.step, effect.occurrence)))
           from gone
           join engine.runs as child on child.parent_id = gone.parent_id
           join chaos.effects as effect on effect.run_id = child.id and effect.at > gone.at
          group by child.id, gone.at having count(distinct (effect.step, effect.occurrence)) > 1
          union all
         select child.id, format('its parent was gone at %s, and it is %s', gone.at, child.state)
           from gone
           join engine.runs as child on child.parent_id = gone.parent_id
          where child.state not in {FINAL}"
    )
}
