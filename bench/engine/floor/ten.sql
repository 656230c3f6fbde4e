update job set state = 'running', owner = 'w' where id = (select id from job where state = 'ready' order by run_at, id limit 1 for update skip locked) returning id \gset
insert into step (run, seq, name, output) values (:id, 0, 'step', '1');
insert into step (run, seq, name, output) values (:id, 1, 'step', '1');
insert into step (run, seq, name, output) values (:id, 2, 'step', '1');
insert into step (run, seq, name, output) values (:id, 3, 'step', '1');
insert into step (run, seq, name, output) values (:id, 4, 'step', '1');
insert into step (run, seq, name, output) values (:id, 5, 'step', '1');
insert into step (run, seq, name, output) values (:id, 6, 'step', '1');
insert into step (run, seq, name, output) values (:id, 7, 'step', '1');
insert into step (run, seq, name, output) values (:id, 8, 'step', '1');
insert into step (run, seq, name, output) values (:id, 9, 'step', '1');
update job set state = 'done', output = '1', done_at = now() where id = :id;
