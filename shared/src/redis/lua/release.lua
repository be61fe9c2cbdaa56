-- Gives a running job back: before its equals, and with the same attempt number for the next claim; or
-- ends it as cancelled if it was to be.
-- KEYS 1–12 as in job.lua
-- ARGV 1–6 as in topic.lua, 7 as in ending.lua, 8 token, 9 id, 10 tag,
--      11 1 if the queue has a limit of running jobs
-- Returns 1, or 0 if the lease is lost.
local key = KEYS[1] .. ARGV[9]
local v = job(key, 'key')
if v[HOLD] ~= ARGV[8] then
  return 0
end
local time = now()
LIMITED = ARGV[11] == '1'
if v[MORE] then
  close(ARGV[9], v, 'cancelled', { 'HSET', key }, 'cancel ' .. ARGV[8], ARGV[10], time)
  return 1
end
v[STATE] = 'queued'
redis.call('ZREM', KEYS[5], ARGV[9])
stopped(key, v)
local before = history(key, v, 'released', nil, time)
emit(v, { 'HSET', key, 'state', 'queued', 'hold', 'released', 'history', before }, ARGV[10], time)
put_back(key, ARGV[9], v)
return 1
