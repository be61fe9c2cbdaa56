-- Ends jobs of a queue as their worker says. Repeating the call that ended one changes nothing.
-- KEYS 1–7 as in job.lua
-- ARGV 1–6 as in topic.lua, 7 as in ending.lua, 8 1 if the queue has a limit of running jobs, then for each job
--      (≤ 64) 1 token, 2 id, 3 tag, 4 `succeed` | `cancel`, 5 result
-- Returns for each 1, or 0 if the lease is lost.
local answers = {}
LIMITED = ARGV[8] == '1'
-- Those that end now, how, and their ids.
local jobs, holds, ids = {}, {}, {}
for i = 9, #ARGV, 5 do
  local id, hold = ARGV[i + 1], ARGV[i + 3] .. ' ' .. ARGV[i]
  local done = holds[id] == hold
  if not holds[id] then
    local v = running(KEYS[1] .. id, ARGV[i], 'key')
    if v[HOLD] == ARGV[i] then
      jobs[i], holds[id], ids[#ids + 1] = v, hold, id
      done = true
    else
      done = v[HOLD] == hold
    end
  end
  answers[#answers + 1] = done and 1 or 0
end
if #ids == 0 then
  return answers
end
-- First, because it makes Redis let the rest through even when it is full: jobs must be able to end.
redis.call('ZREM', KEYS[5], unpack(ids))
for i = 9, #ARGV, 5 do
  local v = jobs[i]
  if v then
    local key, id = KEYS[1] .. ARGV[i + 1], ARGV[i + 1]
    if ARGV[i + 3] == 'succeed' then
      v[RESULT] = ARGV[i + 4]
      close(key, id, v, 'succeeded', holds[id], ARGV[i + 2], 'result', ARGV[i + 4])
    else
      close(key, id, v, 'cancelled', holds[id], ARGV[i + 2])
    end
  end
end
told()
return answers
