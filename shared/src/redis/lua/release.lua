-- Gives a running job back: before its equals, and with the same attempt number for the next claim; or
-- ends it as cancelled if it was to be.
-- KEYS 1–12 as in job.lua
-- ARGV 1–6 as in topic.lua, 7 as in ending.lua, 8 token, 9 id, 10 tag,
--      11 1 if the queue has a limit of running jobs
-- Returns 1, or 0 if the lease is lost.
local key = KEYS[1] .. ARGV[9]
local v = job(key)
if not v or v.hold ~= ARGV[8] then
  return 0
end
LIMITED = ARGV[11] == '1'
redis.call('ZREM', KEYS[5], ARGV[9])
if v.more ~= '' then
  close(key, ARGV[9], v, 'cancelled', 'cancel:' .. ARGV[8], ARGV[10])
  done()
  return 1
end
v.state = 'queued'
stopped(key, v.tail)
local before = history(key, v, 'released', nil, TIME)
tell(key, v, 'released', ARGV[10], 'history', before)
put_back(key, ARGV[9], v)
done()
return 1
