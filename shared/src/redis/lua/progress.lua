-- Stores and publishes progress reports of several jobs.
-- KEYS 1–4 as in job.lua
-- ARGV 1–6 as in topic.lua, then for each report (≤ 64) 1 token, 2 id, 3 tag, 4 percent, 5 message, 6 typed
--      progress; '': as it was
-- Returns for each 1, or 0 if the lease is lost.
local answers = {}
for i = 7, #ARGV, 6 do
  local key = KEYS[1] .. ARGV[i + 1]
  local v = running(key, ARGV[i])
  local held = v[HOLD] == ARGV[i]
  if held then
    local percent, message, progress = ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
    if percent ~= '' then
      v[PERCENT] = percent
    end
    if message ~= '' then
      v[MESSAGE] = message
    end
    if progress ~= '' then
      v[PROGRESS] = progress
      redis.call('HSET', key, 'progress', progress)
    end
    if v[PERCENT] and v[MESSAGE] then
      emit(key, v, ARGV[i + 2], 'percent', v[PERCENT], 'message', v[MESSAGE])
    elseif v[PERCENT] then
      emit(key, v, ARGV[i + 2], 'percent', v[PERCENT])
    elseif v[MESSAGE] then
      emit(key, v, ARGV[i + 2], 'message', v[MESSAGE])
    else
      emit(key, v, ARGV[i + 2])
    end
  end
  answers[#answers + 1] = held and 1 or 0
end
told()
return answers
