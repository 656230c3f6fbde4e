update job set state = 'running', owner = 'w' where id = (select id from job where state = 'ready' order by run_at, id limit 1 for update skip locked);
