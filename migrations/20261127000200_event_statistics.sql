-- expand
-- How many findings the events are of, for the planner. A sample of a large table guesses a seventh of them where it should be half, and a pack
-- that sorts nothing is then planned as one that sorts everything, on disk: twice the time at three million findings. A
-- finding has two events in the mean; where it has more, the guess is too high, which does no harm. It counts from the next
-- ANALYZE on, autovacuum's included.
alter table finding_events alter column number set (n_distinct = -0.5);
