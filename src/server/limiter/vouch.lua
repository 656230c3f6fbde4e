-- Vouches for this server, until it is started again: every set is complete, but for what the database knows.
-- KEYS[1] who vouches.
redis.call('SET', KEYS[1], string.match(redis.call('INFO', 'server'), 'run_id:(%w+)'))
