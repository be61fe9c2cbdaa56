-- Ends a job. Repeating the call that ended it changes nothing.
-- KEYS 1 record, 2 its log, 3 its channel, 4–6 log, meta and channel of the queue, 7 leases
-- ARGV 1–6 as in topic.lua, 7 tag, 8 token, 9 id, 10 state, 11 `result` or `error`, 12 its JSON, 13 retention ms
-- Returns 1, or 0 if the lease is lost.
local v = job(KEYS[1])
local ending = ARGV[10] .. ' ' .. ARGV[8]
if v[TOKEN] ~= ARGV[8] then
  return v[ENDED] == ending and 1 or 0
end
local time = now()
v[STATE], v[FINISHED] = ARGV[10], time
v[ARGV[11] == 'result' and RESULT or ERROR] = ARGV[12]
-- First, because it makes Redis let the rest through even when it is full: jobs must be able to end.
redis.call('ZREM', KEYS[7], ARGV[9])
redis.call('HDEL', KEYS[1], 'token')
emit(v, { 'HSET', KEYS[1], 'state', ARGV[10], ARGV[11], ARGV[12], 'finished_at', time, 'ended', ending },
  KEYS[4], KEYS[5], KEYS[6], ARGV[7], time)
expire(KEYS[1], ARGV[13])
return 1
