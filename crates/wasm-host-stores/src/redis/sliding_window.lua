-- One check of a sliding window.
-- KEYS[1]: a list of what was admitted in all, and then of each millisecond that admitted something, the oldest first: the
--   time, and how much.
-- ARGV: the window in milliseconds, its limit, the cost.
-- Returns: 1 or 0, what is left, milliseconds to wait, milliseconds until all of it is there again.
local key = KEYS[1]
local window, limit, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local latest = tonumber(redis.call('LINDEX', key, -2) or 0)
-- The server's clock may be set back.
local now = math.max(tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000), latest)

-- The entry at this place of the list, of which a stretch is read at once.
local stretch, start = {}, 1
local function entry(index)
  if index >= start + #stretch then
    start = index
    stretch = redis.call('LRANGE', key, index, index + 99)
  end
  local at, admitted = stretch[index - start + 1], stretch[index - start + 2]
  return at and tonumber(at), admitted and tonumber(admitted)
end

local total = tonumber(redis.call('LINDEX', key, 0) or 0)
local first = 1
local at, admitted = entry(first)
while at and at + window <= now do
  total = total - admitted
  first = first + 2
  at, admitted = entry(first)
end

local allowed = total + cost <= limit
local wait = 0
if not allowed then
  local left, index = total, first
  while at and left + cost > limit do
    left = left - admitted
    wait = at + window - now
    index = index + 2
    at, admitted = entry(index)
  end
end

if first > 1 then
  redis.call('LTRIM', key, first, -1)
end
if allowed then
  total = total + cost
end
if allowed and latest == now then
  redis.call('LSET', key, -1, tonumber(redis.call('LINDEX', key, -1)) + cost)
elseif allowed then
  redis.call('RPUSH', key, string.format('%.0f', now), cost)
  latest = now
end
if first > 1 or total == cost and allowed then
  redis.call('LPUSH', key, total)
elseif allowed then
  redis.call('LSET', key, 0, total)
end
if allowed then
  redis.call('PEXPIRE', key, window)
end
return {allowed and 1 or 0, limit - total, wait, latest + window - now}
