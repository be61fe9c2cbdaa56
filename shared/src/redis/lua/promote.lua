-- Queues jobs whose time has come, behind their equals.
-- KEYS 1–13 as in job.lua
-- ARGV 1–6 as in topic.lua, 7 limit (≤ 256), 8 tags of 6 bytes, one a job, 9–11 running, rate and period
--      as in room.lua
-- Returns {how many there were, ms until the next is due, or may begin, or -1, 1 if jobs can be claimed, else 0}.
local count, next = 0, -1
for list = 10, 11 do
  local left = ARGV[7] - count
  local ids = left > 0 and redis.call('ZRANGE', KEYS[list], '-inf', TIME, 'BYSCORE', 'LIMIT', 0, left) or {}
  for _, id in ipairs(ids) do
    local key = KEYS[1] .. id
    redis.call('ZREM', KEYS[list], id)
    local v = job(key)
    if v and (v.state == 'scheduled' or v.state == 'retrying') then
      count = count + 1
      local due = string.match(v.more, '%d+') or TIME
      v.state, v.more = 'queued', ''
      tell(key, v, v.hold, string.sub(ARGV[8], count * 6 - 5, count * 6))
      ready(id, due, priority_of(key, v))
    end
  end
  local first = redis.call('ZRANGE', KEYS[list], 0, 0, 'WITHSCORES')[2]
  if first then
    local pause = math.max(first - TIME, 0)
    next = next < 0 and pause or math.min(next, pause)
  end
end
done()
local work = redis.call('EXISTS', KEYS[9]) == 1 and redis.call('EXISTS', KEYS[13]) == 0
if work then
  local free, pause = room(1, tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]), TIME)
  work = free > 0
  if pause then
    next = next < 0 and pause or math.min(next, pause)
  end
end
return { count, next, work and 1 or 0 }
