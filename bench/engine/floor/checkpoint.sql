\set run random(1, 1000000000000)
insert into step (run, seq, name, output) values (:run, 1, 'step', '1') on conflict do nothing;
