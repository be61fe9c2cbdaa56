-- Appends log lines to a job's topic, and to no other.
-- KEYS 1 prefix of the slot's job records
-- ARGV 1–6 as in topic.lua, 7 id, 8 token, then tag and JSON of each line (≤ 64)
-- Returns 1, or 0 if the lease is lost.
local key = KEYS[1] .. ARGV[7]
local e = redis.call('HGET', key, 'e')
if not holds(e, ARGV[8]) then
  return 0
end
local time, top, rest = now(), string.match(e, '^%S+ (%d+)(.*)$', HOLD)
local m = { string.sub(e, EPOCH, 12), top, string.sub(e, TAG, 19), string.sub(string.sub(e, SINCE, 33), 1, ARGV[4]) }
for i = 9, #ARGV, 2 do
  append(key .. ':log', key, m, 1, ARGV[i], 'm', time, ' log\n', ARGV[i + 1])
end
redis.call('HSET', key, 'e', '3 ' .. m[1] .. ' ' .. m[3] .. ' ' .. time .. ' ' .. ARGV[8] .. ' ' .. m[2] .. rest)
return 1
