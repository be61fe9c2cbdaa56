-- Stores and publishes a progress report.
-- KEYS 1 record, 2 its log, 3 its meta, 4 its channel, 5–7 log, meta and channel of the queue
-- ARGV 1–4 as in emit, 5 tag, 6 token, 7 percent, 8 message, 9 typed progress; '': as it was
-- Returns 1, or 0 if the lease is lost.
local v = job(KEYS[1])
if v[TOKEN] ~= ARGV[6] then
  return 0
end
local set = { 'HSET', KEYS[1], 'state', 'running' }
local function report(index, field, value)
  if value ~= '' then
    v[index], set[#set + 1], set[#set + 2] = value, field, value
  end
end
report(PERCENT, 'percent', ARGV[7])
report(MESSAGE, 'message', ARGV[8])
report(PROGRESS, 'progress', ARGV[9])
redis.call(unpack(set))
emit(KEYS[1], KEYS[5], KEYS[6], KEYS[7], ARGV[5], now(), record(v))
return 1
