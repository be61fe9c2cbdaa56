-- Appends log lines to a job's topic, and to no other.
-- KEYS 1 prefix of the slot's job records
-- ARGV 1–6 as in topic.lua, 7 id, 8 token, then tag and JSON of each line (≤ 64)
-- Returns 1, or 0 if the lease is lost.
local key = KEYS[1] .. ARGV[7]
local m = redis.call('HMGET', key, 'epoch', 'top', 'tag', 'period', 'hold')
if m[5] ~= ARGV[8] then
  return 0
end
local time, late = now(), false
for i = 9, #ARGV, 2 do
  late = append(key .. ':log', key .. ':ch', m, 1, ARGV[i], 'm', time, ' log\n', ARGV[i + 1]) or late
end
redis.call('HSET', key, 'epoch', m[1], 'top', m[2], 'tag', m[3], 'period', m[4])
return 1
