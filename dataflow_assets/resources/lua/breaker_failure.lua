-- A request failed. Opens after `threshold` failures in a row within the window, when the probe failed (for twice as
-- long as before), or when the vendor told a wait.
-- KEYS  the breaker (hash)
-- ARGV  prober ('' if this was no probe), threshold, window, open time, longest open time, told wait or 0
-- Times are microseconds.

local FORGET = 600000000 -- an open breaker nobody asks is forgotten, and its doubled time with it

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local threshold, window, told = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[6])
local stored = redis.call('HMGET', KEYS[1], 'open_until', 'opened_for', 'prober')
local open_until, opened_for = tonumber(stored[1] or 0), tonumber(stored[2] or 0)
local wait = told

if not stored[1] then
  -- The times of the last `threshold` failures, in a ring.
  local count = redis.call('HINCRBY', KEYS[1], 'failures', 1)
  redis.call('HSET', KEYS[1], 'failed_' .. count % threshold, string.format('%.0f', now))
  redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
  local oldest = redis.call('HGET', KEYS[1], 'failed_' .. (count + 1) % threshold)
  if count >= threshold and now - oldest <= window then
    opened_for = tonumber(ARGV[4])
    wait = math.max(wait, opened_for)
  end
elseif stored[3] == ARGV[1] then
  opened_for = math.min(math.max(opened_for * 2, tonumber(ARGV[4])), tonumber(ARGV[5]))
  wait = math.max(wait, opened_for)
  redis.call('HDEL', KEYS[1], 'prober', 'probe_until')
end

-- A straggler of before the opening changes nothing, unless the vendor told it a longer wait.
if wait > 0 and now + wait > open_until then
  redis.call('HSET', KEYS[1], 'open_until', string.format('%.0f', now + wait),
    'opened_for', string.format('%.0f', opened_for))
  redis.call('PEXPIRE', KEYS[1], math.ceil((wait + FORGET) / 1000))
end
return {}
