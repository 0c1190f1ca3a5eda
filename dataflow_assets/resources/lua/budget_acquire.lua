-- Grants a request by all of its limits or by none, and tells a refused caller when to look again.
--
-- KEYS  per limit: its state (hash), its line of live callers, its line of backfill callers (sorted sets by ticket);
--       after them, perhaps, a key that is watched
-- ARGV  caller, ticket (0 at the first look), lane, cost, longest wait; then per limit: interval, burst, window
-- Returns {wait, nap, ticket, n, watched}: wait 0 is a grant, and watched 1 says that the watched key is there.
-- Otherwise limit n holds the caller back, `wait` is the time it will take as far as known, and the caller looks again
-- after `nap`. Times are microseconds of Redis' own clock.
--
-- Rate: GCRA. `tat`, the theoretical arrival time, is when all that was granted is paid for at the even rate. A window
-- never holds more than requests + burst, whatever the mix of costs: a cost above the burst goes once its surplus has
-- been saved up before it, and what follows waits until it is paid.
--
-- Line: refused callers stand in the line of the limit that holds them back longest. A place is a turn, not a
-- reservation: every grant is decided here, at the moment of asking, so a block told meanwhile holds for all.

local SLACK = 0.5          -- of an interval: a caller that wakes this late loses nothing; below 1 the promise above holds
local TURN = 9             -- live grants between two backfill grants when both wait
local GRACE = 25000        -- the most a caller behind gives each caller ahead that does not show up
local LOOK_AGAIN = 1000000 -- longest nap: places ahead may vanish and blocks come
local SHORTEST_NAP = 5000  -- of a backfill that waits for its turn
local LINE_TTL_MS = 5000   -- a line nobody looked at for several naps is one of dead callers

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local caller = ARGV[1]
local ticket = tonumber(ARGV[2])
if ticket == 0 then ticket = now end
local is_live = ARGV[3] == 'live'
local cost = tonumber(ARGV[4])
local longest_wait = tonumber(ARGV[5])

local function whole(number) return string.format('%.0f', number) end

local function read(n)
  local at = 3 * n
  local limit = { state = KEYS[at - 2], live = KEYS[at - 1], backfill = KEYS[at], window = tonumber(ARGV[at + 5]) }
  limit.line = is_live and limit.live or limit.backfill
  local stored = redis.call('HMGET', limit.state,
    'tat', 'scale', 'blocked_until', 'stretch', 'stretch_until', 'run', 'head_due', 'spent', 'spent_since')
  local function field(i, default) return tonumber(stored[i] or default) end

  limit.stretch = field(5, 0) > now and field(4, 1) or 1
  limit.interval = ARGV[at + 3] * limit.stretch
  limit.tat = field(1, 0)
  -- What is still to be paid was computed at the stretch of that time; a lifted stretch is lifted at once.
  if limit.tat > now then limit.tat = now + (limit.tat - now) * limit.stretch / field(2, 1) end
  limit.run = field(6, 0)
  limit.spent, limit.spent_since = field(8, 0), field(9, 0)

  local ahead = redis.call('ZCOUNT', limit.line, '-inf', '(' .. whole(ticket))
  limit.ahead = ahead
  -- What has been saved up is for live callers: a backfill takes the even rate, and no more than its batch at once.
  -- But its turn comes out of what they share, or a busy live lane would keep it out for good.
  local burst = tonumber(ARGV[at + 4])
  if not is_live and limit.run < TURN then burst = math.min(burst, cost) end
  local open_at = math.max(limit.tat + (cost - burst - SLACK) * limit.interval, field(3, 0))
  if is_live then
    local turns = 0
    if redis.call('ZCARD', limit.backfill) > 0 then turns = math.floor((limit.run + ahead) / TURN) end
    -- While enough is saved up for both, a live caller goes on without waiting until the backfill has come.
    if ahead == 0 and now >= open_at + turns * limit.interval then turns = 0 end
    limit.place, limit.after_backfill = ahead + turns, turns > 0
  else
    local live_first = math.max(TURN - limit.run, 0) + TURN * ahead
    limit.place = ahead + math.min(redis.call('ZCARD', limit.live), live_first)
  end

  -- The one whose turn it is may wait for more than we need (a batch): it goes first as long as it comes back.
  if limit.place > 0 then open_at = math.max(open_at, field(7, 0)) end
  limit.admits = now >= open_at + limit.place * math.min(limit.interval / 4, GRACE)
  limit.wait = math.max(open_at + limit.place * limit.interval - now, 1)
  return limit
end

local function keep(key, milliseconds)
  if redis.call('PTTL', key) < milliseconds then redis.call('PEXPIRE', key, whole(milliseconds)) end
end

local limits, slowest = {}, nil
for n = 1, math.floor(#KEYS / 3) do
  limits[n] = read(n)
  if not limits[n].admits and (not slowest or limits[n].wait > limits[slowest].wait) then slowest = n end
end

if slowest then
  local wait = math.ceil(limits[slowest].wait)
  local nap = math.min(wait, LOOK_AGAIN)
  -- The turn of a backfill may come before the even rate has room for it. It must have asked by then to be waited for.
  local asked = limits[slowest]
  if not is_live then
    local grants = math.max(TURN - asked.run, 1) + (TURN + 1) * asked.ahead
    nap = math.min(nap, math.max(grants * asked.interval / 2, SHORTEST_NAP))
  end
  for n, limit in ipairs(limits) do
    if n == slowest and wait <= longest_wait then
      redis.call('ZADD', limit.line, whole(ticket), caller)
      redis.call('PEXPIRE', limit.line, LINE_TTL_MS)
      if limit.place == 0 then
        redis.call('HSET', limit.state, 'head_due', whole(now + nap))
        keep(limit.state, LINE_TTL_MS)
      end
    else
      redis.call('ZREM', limit.line, caller)
    end
  end
  return { wait, nap, ticket, slowest }
end

for _, limit in ipairs(limits) do
  if limit.place > 0 then
    -- Those ahead did not come for their turn. If they live, they come back with their old tickets.
    redis.call('ZREMRANGEBYSCORE', limit.line, '-inf', '(' .. whole(ticket))
    if not is_live then
      redis.call('DEL', limit.live)
    elseif limit.after_backfill then
      redis.call('ZREMRANGEBYRANK', limit.backfill, 0, 0)
    end
  end
  redis.call('ZREM', limit.line, caller)

  local tat = math.max(limit.tat, now) + cost * limit.interval
  local run = 0
  if is_live and redis.call('EXISTS', limit.backfill) == 1 then run = math.min(limit.run + 1, TURN) end
  if now - limit.spent_since >= limit.window then limit.spent, limit.spent_since = 0, now end
  redis.call('HSET', limit.state, 'tat', whole(tat), 'scale', limit.stretch, 'run', run, 'head_due', 0,
    'spent', limit.spent + cost, 'spent_since', whole(limit.spent_since))
  -- A window longer than the debt: a batch must find what was granted before it.
  keep(limit.state, (tat - now + limit.window * limit.stretch) / 1000 + 1000)
end
return { 0, 0, ticket, 0, #KEYS % 3 == 1 and redis.call('EXISTS', KEYS[#KEYS]) or 0 }
