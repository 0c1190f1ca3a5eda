-- KEYS  states of limits (hashes)      ARGV  window of each in microseconds
-- Returns per limit {blocked until in microseconds since 1970 or 0, stretch in thousandths, spent in this window}.

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local answer = {}
for n, key in ipairs(KEYS) do
  local stored = redis.call('HMGET', key, 'blocked_until', 'stretch', 'stretch_until', 'spent', 'spent_since')
  local function field(i) return tonumber(stored[i] or 0) end
  answer[n] = {
    field(1) > now and field(1) or 0,
    field(3) > now and math.floor(field(2) * 1000 + 0.5) or 1000,
    now - field(5) < tonumber(ARGV[n]) and field(4) or 0,
  }
end
return answer
