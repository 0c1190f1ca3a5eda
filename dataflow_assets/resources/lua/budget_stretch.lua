-- Requests go `stretch` times slower from now on, for a while: the vendor's own count says the budget runs out.
-- KEYS  state of the limit (hash)      ARGV  stretch (1: none), microseconds it is remembered

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

if tonumber(ARGV[1]) <= 1 then
  redis.call('HDEL', KEYS[1], 'stretch', 'stretch_until')
  return {}
end
redis.call('HSET', KEYS[1], 'stretch', ARGV[1], 'stretch_until', string.format('%.0f', now + tonumber(ARGV[2])))
local milliseconds = math.ceil(ARGV[2] / 1000) + 1000
if redis.call('PTTL', KEYS[1]) < milliseconds then redis.call('PEXPIRE', KEYS[1], milliseconds) end
return {}
