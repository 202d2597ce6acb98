-- One check of a token bucket.
-- KEYS[1]: when the bucket was last used, in microseconds, and how many nanoseconds it then was from full. A full one has no
--   key. Both are whole numbers below 2^53, which Lua's numbers hold exactly.
-- ARGV: nanoseconds in which a token comes back, tokens of a full bucket, the cost.
-- Returns: 1 and the tokens left, or 0 and the nanoseconds to wait.
local interval, capacity, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local missing = 0
local state = redis.call('GET', KEYS[1])
if state then
  local at, was_missing = string.match(state, '^(%d+) (%d+)$')
  at = tonumber(at)
  -- The server's clock may be set back.
  now = math.max(now, at)
  missing = math.max(0, tonumber(was_missing) - (now - at) * 1000)
end

local most = (capacity - cost) * interval
if missing > most then
  return {0, missing - most}
end
missing = missing + cost * interval
redis.call('SET', KEYS[1], string.format('%.0f %.0f', now, missing), 'PX', math.ceil(missing / 1000000))
local there = capacity * interval - missing
return {1, (there - there % interval) / interval}
