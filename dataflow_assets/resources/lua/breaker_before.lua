-- May a request go out? While the breaker is half-open, one at a time.
-- KEYS  the breaker (hash)      ARGV  prober, microseconds a probe may take
-- Returns {wait, probing, troubled}: wait 0 is a yes, probing 1 makes the caller the one that tries the vendor, and
-- troubled 0 says that no failure is remembered: a success has nothing to tell.

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local stored = redis.call('HMGET', KEYS[1], 'open_until', 'probe_until')
if not stored[1] then return { 0, 0, redis.call('EXISTS', KEYS[1]) } end

local wait = math.max(tonumber(stored[1]), tonumber(stored[2] or 0)) - now
if wait > 0 then return { wait, 0, 1 } end

-- A prober that dies is not waited for beyond its time.
redis.call('HSET', KEYS[1], 'prober', ARGV[1], 'probe_until', string.format('%.0f', now + tonumber(ARGV[2])))
return { 0, 1, 1 }
