-- Nobody asks before now + seconds: the vendor said so. Never shortens a block.
-- KEYS  state of the limit (hash)      ARGV  microseconds

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local blocked_until = now + tonumber(ARGV[1])

if tonumber(redis.call('HGET', KEYS[1], 'blocked_until') or 0) < blocked_until then
  redis.call('HSET', KEYS[1], 'blocked_until', string.format('%.0f', blocked_until))
end
local milliseconds = math.ceil(ARGV[1] / 1000) + 1000
if redis.call('PTTL', KEYS[1]) < milliseconds then redis.call('PEXPIRE', KEYS[1], milliseconds) end
return {}
