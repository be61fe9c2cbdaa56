-- Stores and publishes a progress report.
-- KEYS 1 record, 2 its log, 3 its channel, 4–6 log, meta and channel of the queue
-- ARGV 1–6 as in topic.lua, 7 tag, 8 token, 9 percent, 10 message, 11 typed progress; '': as it was
-- Returns 1, or 0 if the lease is lost.
local v = job(KEYS[1])
if v[TOKEN] ~= ARGV[8] then
  return 0
end
local set = { 'HSET', KEYS[1] }
local function report(index, field, value)
  if value ~= '' then
    v[index], set[#set + 1], set[#set + 2] = value, field, value
  end
end
report(PERCENT, 'percent', ARGV[9])
report(MESSAGE, 'message', ARGV[10])
report(PROGRESS, 'progress', ARGV[11])
emit(v, set, KEYS[4], KEYS[5], KEYS[6], ARGV[7], now())
return 1
