-- The vendor answered. While the breaker is open only the probe's answer counts: an older request proves nothing.
-- KEYS  the breaker (hash)      ARGV  prober ('' if this was no probe)

local stored = redis.call('HMGET', KEYS[1], 'open_until', 'prober')
if not stored[1] or stored[2] == ARGV[1] then redis.call('DEL', KEYS[1]) end
return {}
