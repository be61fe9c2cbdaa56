-- Schedules of a queue with their next ticks.
-- KEYS as in schedule.lua
-- ARGV 1 `due`: those whose tick has come (≤ 64) | `all` (≤ 1,000)
-- Returns {now, the first tick that has not come or '', name, tick, definition or nothing, name, …}.
local time = now()
local most, last = 64, time
if ARGV[1] == 'all' then
  most, last = 1000, '+inf'
end
local found = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', last, 'WITHSCORES', 'LIMIT', 0, most)
local next = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. time, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
local answer = { time, next[2] or '' }
for i = 1, #found, 2 do
  local n = #answer
  answer[n + 1], answer[n + 2] = found[i], found[i + 1]
  answer[n + 3] = redis.call('HGET', KEYS[1], found[i]) or ''
end
return answer
