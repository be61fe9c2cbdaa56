-- Ends jobs of a queue as their worker says. Repeating the call that ended one changes nothing.
-- KEYS 1–7 as in job.lua
-- ARGV 1–6 as in topic.lua, 7 as in ending.lua, 8 1 if the queue has a limit of running jobs, then for each job
--      (≤ 64) 1 token, 2 id, 3 tag, 4 `succeed` | `cancel`, 5 result
-- Returns for each 1, or 0 if the lease is lost.
local answers = {}
LIMITED = ARGV[8] == '1'
-- Those that end now, how, and their ids.
local jobs, ended, ids = {}, {}, {}
for i = 9, #ARGV, 5 do
  local id, hold = ARGV[i + 1], ARGV[i + 3] .. ':' .. ARGV[i]
  local done = ended[id] == hold
  if not ended[id] then
    local e = call('HGET', KEYS[1] .. id, 'e')
    if holds(e, ARGV[i]) then
      jobs[i], ended[id], ids[#ids + 1] = e, hold, id
      done = true
    else
      done = e and find(e, hold .. ' ', HOLD, true) == HOLD
    end
  end
  answers[#answers + 1] = done and 1 or 0
end
if #ids == 0 then
  return answers
end
-- First, because it makes Redis let the rest through even when it is full: jobs must be able to end.
call('ZREM', KEYS[5], unpack(ids))
for i = 9, #ARGV, 5 do
  local e = jobs[i]
  if e then
    local id = ARGV[i + 1]
    local key, state, result = KEYS[1] .. id, 'succeeded', ARGV[i + 4]
    if ARGV[i + 3] == 'cancel' then
      state, result = 'cancelled', '\19'
    end
    -- Where its state begins and ends, its result, its error, and when it was finished.
    local from = find(e, '\4', HOLD, true)
    local to = find(e, '\5', from, true)
    local at = find(e, '\11', to, true)
    local behind = find(e, '\12', at, true)
    local finished = find(e, '\18', behind, true)
    stopped(key, e)
    emit(key, e, HOLD + 17, ended[id], ARGV[i + 2], sub(e, find(e, '\n', HOLD, true), from), state,
      sub(e, to, at), result .. sub(e, behind, finished), TIME .. '}')
    place(KEYS[state == 'succeeded' and 6 or 7], TIME, id)
    lapse(key, e, ARGV[7])
  end
end
done()
return answers
