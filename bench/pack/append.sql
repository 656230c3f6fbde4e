-- The least SQL of one entry: the head is locked and read, the entry written and the head moved by one statement, and that is committed.
begin;
select seq, hash from bench_head where chain = 1 for update;
with entry as (insert into bench_entry (chain, seq, hash, canonical) select chain, seq + 1, hash, repeat('x', 400) from bench_head where chain = 1 returning seq)
update bench_head as head set seq = entry.seq from entry where head.chain = 1;
commit;
