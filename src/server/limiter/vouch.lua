-- Vouches for this server, until it is started again: every set is complete, but for what the database knows.
-- KEYS[1] who vouches. Returns 1, or 0 when somebody vouched for this very run of the server before.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
if redis.call('GET', KEYS[1]) == run then
  return 0
end
redis.call('SET', KEYS[1], run)
return 1
