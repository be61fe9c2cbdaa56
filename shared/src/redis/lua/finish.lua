-- Ends jobs of a queue as their worker says. Repeating the call that ended one changes nothing.
-- KEYS 1–7 as in job.lua
-- ARGV 1–6 as in topic.lua, 7 as in ending.lua, 8 1 if the queue has a limit of running jobs, then for each job
--      (≤ 64) 1 token, 2 id, 3 tag, 4 `succeed` | `cancel`, 5 result
-- Returns for each 1, or 0 if the lease is lost.
local time, answers = now(), {}
MANY, LIMITED = true, ARGV[8] == '1'
for i = 9, #ARGV, 5 do
  local id, call = ARGV[i + 1], ARGV[i + 3]
  local key = KEYS[1] .. id
  local v = job(key, 'key')
  local hold = call .. ' ' .. ARGV[i]
  local held = v[HOLD] == ARGV[i]
  if held then
    local set = { 'HSET', key }
    if call == 'succeed' then
      v[RESULT], set[3], set[4] = ARGV[i + 4], 'result', ARGV[i + 4]
    end
    close(id, v, call == 'succeed' and 'succeeded' or 'cancelled', set, hold, ARGV[i + 2], time)
  end
  answers[#answers + 1] = (held or v[HOLD] == hold) and 1 or 0
end
told()
return answers
