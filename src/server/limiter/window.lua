-- A sliding window over a sorted set: one member per accepted request, its score the time of Redis in microseconds.
-- KEYS[1] the set; KEYS[2] who vouches that no set has lost a member; ARGV: limit, window in microseconds, request, attempt, the
-- time of Redis after which this call is too late to count, and then pairs: the attempt and the time of a request that
-- was accepted, as the database knows it.
-- Returns 0 when the request is accepted, -1 when the call is too late, -2 when nobody vouches for this server, -3 when somebody
-- vouched for it before it was started the last time, else the microseconds until the oldest counted request leaves
-- the window.
-- A member is `request/attempt`. A repeated request takes over the place of its earlier attempts, and an attempt can
-- give back nothing but its own place, however late the word of it arrives.
-- One script is one step for Redis, so parallel callers cannot both take the last place.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local limit = tonumber(ARGV[1])
local window = tonumber(ARGV[2])
local request = ARGV[3] .. '/'

if now > tonumber(ARGV[5]) then
  return -1
end
local vouched = redis.call('GET', KEYS[2])
if not vouched then
  return -2
end
if vouched ~= string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') then
  return -3
end
local members = redis.call('ZRANGE', KEYS[1], 0, -1)
-- What the database knows and the set does not was lost.
for n = 6, #ARGV, 2 do
  local ending = '/' .. ARGV[n]
  local is_member = false
  for _, member in ipairs(members) do
    is_member = is_member or string.sub(member, -#ending) == ending
  end
  if not is_member then
    redis.call('ZADD', KEYS[1], ARGV[n + 1], ARGV[n] .. ending)
    redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.sub(member, 1, #request) == request then
    redis.call('ZREM', KEYS[1], member)
  end
end
if redis.call('ZCARD', KEYS[1]) < limit then
  redis.call('ZADD', KEYS[1], now, request .. ARGV[4])
  redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
  return 0
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return math.max(1, tonumber(oldest[2]) + window - now)
