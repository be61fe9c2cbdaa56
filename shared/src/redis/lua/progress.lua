-- Stores and publishes progress reports of several jobs.
-- KEYS 1–4 as in job.lua
-- ARGV 1–6 as in topic.lua, then for each report (≤ 64) 1 token, 2 id, 3 tag, 4 percent, 5 message, 6 typed
--      progress; '': as it was
-- Returns for each 1, or 0 if the lease is lost.
local time, answers = now(), {}
MANY = true
local parts = { 'percent', 'message', 'progress' }
for i = 7, #ARGV, 6 do
  local key = KEYS[1] .. ARGV[i + 1]
  local v = job(key)
  local held = v[HOLD] == ARGV[i]
  if held then
    local set, n = { 'HSET', key }, 2
    for part = 0, 2 do
      local value = ARGV[i + 3 + part]
      if value ~= '' then
        v[PERCENT + part], set[n + 1], set[n + 2] = value, parts[part + 1], value
        n = n + 2
      end
    end
    emit(v, set, ARGV[i + 2], time)
  end
  answers[#answers + 1] = held and 1 or 0
end
told()
return answers
