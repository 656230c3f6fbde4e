-- The generic cell rate algorithm: one number says until when a caller's calls are spoken for.
-- KEYS[1] that number, in microseconds of Redis' clock; ARGV: calls, window in microseconds.
-- Returns 0 when the call passes, else the microseconds until one would. A call that does not pass takes nothing.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local window = tonumber(ARGV[2])
local each = window / tonumber(ARGV[1])
local spoken_for = math.max(now, tonumber(redis.call('GET', KEYS[1]) or now)) + each

if spoken_for - window > now then
  return math.ceil(spoken_for - window - now)
end
redis.call('SET', KEYS[1], string.format('%.0f', spoken_for), 'PX', math.ceil((spoken_for - now) / 1000))
return 0
