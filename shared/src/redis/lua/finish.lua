-- Ends a job as its worker says. Repeating the call that ended it changes nothing.
-- KEYS 1–7 as in job.lua
-- ARGV 1–6 as in topic.lua, 7 as in ending.lua, 8 token, 9 id, 10 tag, 11 `succeed` | `cancel`, 12 result,
--      13 1 if the queue has a limit of running jobs
-- Returns 1, or 0 if the lease is lost.
local key = KEYS[1] .. ARGV[9]
local v = job(key)
local hold = ARGV[11] .. ' ' .. ARGV[8]
if v[HOLD] ~= ARGV[8] then
  return v[HOLD] == hold and 1 or 0
end
LIMITED = ARGV[13] == '1'
local set = { 'HSET', key }
if ARGV[11] == 'succeed' then
  v[RESULT], set[3], set[4] = ARGV[12], 'result', ARGV[12]
  close(ARGV[9], v, 'succeeded', set, hold, ARGV[10], now())
else
  close(ARGV[9], v, 'cancelled', set, hold, ARGV[10], now())
end
return 1
