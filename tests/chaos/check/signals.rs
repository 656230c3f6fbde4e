//! Signals: each that was committed is there once, is taken by one step at most, and is overlooked by none.

use super::Check;

pub(super) fn checks() -> Vec<Check> {
    let mut checks = sent();
    checks.extend(taken());
    checks.push(Check::new(
        "crowd_disturbed",
        "a run that waits for a signal costs nothing until one comes",
        "with asleep as (
             select move.run_id, min(move.id) as id
               from chaos.moves as move
               join engine.runs as run on run.id = move.run_id
              where run.workflow = 'chaos.dormant' and move.to_state = 'waiting'
              group by move.run_id)
         select asleep.run_id, format('it became %s at %s, before any signal', move.to_state, move.at)
           from asleep
           join chaos.moves as move on move.run_id = asleep.run_id and move.id > asleep.id
          where not exists (select from chaos.sent
                             where sent.run_id = move.run_id and sent.is_new and sent.began_at <= move.at)",
    ));
    checks
}

fn sent() -> Vec<Check> {
    vec![
        Check::new(
            "signal_torn",
            "a signal is there if and only if the transaction that sent it committed, and it was new",
            "select coalesce(signal.run_id, sent.run_id), format('token %s', coalesce(signal.token, sent.token))
               from (select run_id, name, payload::text::bigint as token, sender_key
                       from engine.signals) as signal
               full join (select * from chaos.sent where is_new) as sent on sent.token = signal.token
              where (signal.run_id, signal.name, signal.sender_key)
                    is distinct from (sent.run_id, sent.name, sent.sender_key)",
        ),
        Check::new(
            "signal_lost",
            "a send whose commit was answered has happened",
            "select null::uuid, format('token %s', token)
               from chaos.answered where token not in (select token from chaos.sent)",
        ),
        Check::new(
            "signal_unasked",
            "a send that was rolled back has not happened",
            "select null::uuid, format('token %s', token)
               from chaos.unsent where token in (select token from chaos.sent)",
        ),
        Check::new(
            "signal_doubled",
            "two signals of a name under one key are one",
            "select run_id, format('%s signals under %L', count(*), sender_key)
               from engine.signals
              where sender_key is not null
              group by run_id, name, sender_key having count(*) > 1",
        ),
        Check::new(
            "signal_refused",
            "a signal is refused only when its key was used, or the run was over",
            "select refused.run_id, format('token %s under %L was refused', token, sender_key)
               from chaos.sent as refused
              where not is_new
                and not exists (select from chaos.sent as other
                                 where (other.run_id, other.name, other.sender_key)
                                     = (refused.run_id, refused.name, refused.sender_key)
                                   and other.is_new)
                and not exists (select from chaos.moves as move
                                 where move.run_id = refused.run_id and move.at <= refused.at
                                   and move.to_state in ('succeeded', 'failed', 'cancelled'))",
        ),
    ]
}

fn taken() -> Vec<Check> {
    vec![
        Check::new(
            "signal_taken_wrong",
            "each signal is taken by one step at most, and a step takes one at most and answers what it carried",
            "select coalesce(step.run_id, signal.run_id),
                    format('place %s has %s on record, and has taken %s', coalesce(step.seq, signal.taken_seq),
                           coalesce(step.output::text, 'nothing'), coalesce(signal.payloads, 'nothing'))
               from (select run_id, seq, output, output->>'signal' as payload
                       from chaos.steps where kind = 'signal' and state = 'done' and not is_past) as step
               full join (select run_id, taken_seq, string_agg(payload::text, ', ') as payloads
                            from engine.signals where taken_seq is not null
                           group by run_id, taken_seq) as signal
                 on (signal.run_id, signal.taken_seq) = (step.run_id, step.seq)
              where step.run_id is null or step.payload is distinct from signal.payloads",
        ),
        Check::new(
            "signal_heard_wrong",
            "the workflow hears each signal once, and what is on record for its wait",
            "select heard.run_id, format('%s#%s heard %s; on record is %s', heard.name, heard.occurrence,
                                         coalesce(heard.token::text, 'nothing'), step.output)
               from chaos.heard
               left join engine.steps as step
                 on (step.run_id, step.name, step.occurrence) = (heard.run_id, heard.name, heard.occurrence)
                and step.kind = 'signal' and step.state = 'done'
              where step.run_id is null or heard.token::text is distinct from step.output->>'signal'
              union all
             select min(run_id::text)::uuid, format('token %s was heard %s times', token, count(*))
               from chaos.heard where token is not null
              group by token having count(*) > 1",
        ),
        // Whoever sends and whoever looks lock the run's row: the sender's commit was answered before the look was written
        // down, so it came first.
        Check::new(
            "signal_overlooked",
            "no wait ends in vain while a signal is there",
            "select wait.run_id, format('%s#%s ended in vain at %s; token %s had been sent at %s',
                                        wait.name, wait.occurrence, wait.at, sent.token, answered.at)
               from chaos.waits as wait
               join chaos.sent as sent
                 on (sent.run_id, sent.name) = (wait.run_id, wait.name) and sent.is_new
               join chaos.answered as answered on answered.token = sent.token
               join engine.signals as signal
                 on signal.run_id = sent.run_id and signal.name = sent.name
                and signal.payload::text = sent.token::text
              where wait.kind = 'signal' and wait.state = 'done' and wait.output->>'signal' is null
                and answered.at < wait.at
                and (signal.taken_seq is null or signal.taken_seq > wait.seq)",
        ),
    ]
}
