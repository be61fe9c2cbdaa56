-- Stores and publishes a progress report.
-- KEYS 1–4 as in job.lua
-- ARGV 1–6 as in topic.lua, 7 tag, 8 token, 9 id, 10 percent, 11 message, 12 typed progress; '': as it was
-- Returns 1, or 0 if the lease is lost.
local key = KEYS[1] .. ARGV[9]
local v = job(key)
if v[HOLD] ~= ARGV[8] then
  return 0
end
local set = { 'HSET', key }
local function report(index, field, value)
  if value ~= '' then
    v[index], set[#set + 1], set[#set + 2] = value, field, value
  end
end
report(PERCENT, 'percent', ARGV[10])
report(MESSAGE, 'message', ARGV[11])
report(PROGRESS, 'progress', ARGV[12])
emit(v, set, ARGV[7], now())
return 1
