-- KEYS  the breaker (hash)
-- Returns {} if closed, else {open until in microseconds since 1970, 1 if that time has passed}.

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local open_until = redis.call('HGET', KEYS[1], 'open_until')
if not open_until then return {} end
return { tonumber(open_until), now >= tonumber(open_until) and 1 or 0 }
