//! Claims: one owner at a time, each under an epoch of its own, of the right build, and nothing before its time.

use super::Check;

pub(super) fn checks() -> Vec<Check> {
    let mut checks = vec![
        Check::new(
            "epoch_reused",
            "each claim raises the epoch by one, and nothing else does",
            "select run_id, format('%s claims, epochs %s', count(*), array_agg(epoch order by id))
               from chaos.moves where to_state = 'running'
              group by run_id
             having min(epoch) <> 1 or max(epoch) <> count(*) or count(distinct epoch) <> count(*)
              union all
             select run.id, format('its epoch is %s after %s claims', run.epoch, count(move.id))
               from engine.runs as run
               left join chaos.moves as move on move.run_id = run.id and move.to_state = 'running'
              group by run.id, run.epoch having run.epoch <> count(move.id)",
        ),
        Check::new(
            "move_forbidden",
            "a run moves as the state machine allows, and from where it was",
            "select run_id, format('from %s to %s, after it was %s', from_state, to_state, before)
               from (select run_id, from_state, to_state,
                            lag(to_state) over (partition by run_id order by id) as before
                       from chaos.moves) as move
              where from_state is distinct from before
                 or from_state is not null and from_state <> to_state
                    and not engine.run_may_become(from_state, to_state)",
        ),
        Check::new(
            "claim_shared",
            "the steps of one claim run in one process",
            "select run_id, format('claim %s ran in %s', epoch, array_agg(distinct worker))
               from chaos.effects group by run_id, epoch having count(distinct worker) > 1",
        ),
        Check::new(
            "claim_missing",
            "steps run under a claim",
            "select effect.run_id, format('%s#%s ran under claim %s, which nobody made', step, occurrence, epoch)
               from chaos.effects as effect
              where not exists (select from chaos.moves as move
                                 where move.run_id = effect.run_id and move.epoch = effect.epoch
                                   and move.to_state = 'running')",
        ),
    ];
    checks.extend(in_time());
    checks.extend(builds());
    checks
}

fn in_time() -> Vec<Check> {
    vec![
        // A step with one attempt is charged by its own worker when that one shuts down.
        Check::new(
            "lease_cut_short",
            "nobody is taken for lost before the lease is over",
            "select move.run_id, format('lost at %s, with a lease until %s', at, move.lease_until)
               from chaos.moves as move
               join engine.runs as run on run.id = move.run_id
              where lost and move.lease_until > at and run.workflow <> 'chaos.once'",
        ),
        Check::new(
            "woken_early",
            "a timer is never early",
            "select run_id, format('due %s, woken %s', wake_at, at)
               from chaos.moves
              where from_state = 'waiting' and to_state = 'queued' and waiting_for = 'time' and not hurried
                and at < wake_at",
        ),
        Check::new(
            "claimed_early",
            "nothing is claimed before it is due",
            "select claim.run_id, format('due %s, claimed %s', claim.wake_at, claim.at)
               from chaos.moves as claim
              where to_state = 'running' and not hurried and at < wake_at",
        ),
    ]
}

fn builds() -> Vec<Check> {
    vec![
        Check::new(
            "build_wrong",
            "a run is executed by workers that have its version, and by no other",
            "select run.id, format('%s#%s of version %s ran in build %s', step, occurrence, version, build)
               from chaos.effects as effect
               join engine.runs as run on run.id = effect.run_id
              where run.workflow = 'chaos.versioned' and effect.build <> run.version",
        ),
        Check::new(
            "claim_foreign",
            "a worker claims only versions that it has",
            "with known as (
                 select distinct move.owner, effect.build
                   from chaos.effects as effect
                   join chaos.moves as move
                     on (move.run_id, move.epoch, move.to_state) = (effect.run_id, effect.epoch, 'running'))
             select run.id, format('version %s was claimed by build %s', run.version, known.build)
               from engine.runs as run
               join chaos.moves as move on move.run_id = run.id and move.to_state = 'running'
               join known on known.owner = move.owner
              where run.workflow = 'chaos.versioned' and known.build <> run.version",
        ),
    ]
}
