-- How many jobs of a queue are where.
-- KEYS 1–13 as in job.lua
-- Returns {queued, scheduled, retrying, running, dead, 1 if the queue is paused, ms that the job to be
-- claimed next has been waiting for, or -1}.
local t = redis.call('TIME')
local oldest = -1
local parked = string.sub(KEYS[1], 1, -5) .. 'parked'
local first = redis.call('ZRANGE', KEYS[9], 0, 0, 'WITHSCORES')
if not first[1] then
  first = redis.call('ZRANGE', parked, 0, 0, 'WITHSCORES')
end
if first[1] then
  local priority = redis.call('HGET', KEYS[1] .. first[1], 'priority') or '5'
  local since = first[2] + priority * 300000
  oldest = math.max(t[1] * 1000 + math.floor(t[2] / 1000) - since, 0)
end
local function size(i)
  return redis.call('ZCARD', KEYS[i])
end
return { size(9) + redis.call('ZCARD', parked), size(10), size(11), size(5), size(8), redis.call('EXISTS', KEYS[13]), oldest }
