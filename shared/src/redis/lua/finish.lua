-- Ends a job. Repeating the call that ended it changes nothing.
-- KEYS 1 record, 2 its log, 3 its meta, 4 its channel, 5–7 log, meta and channel of the queue, 8 leases
-- ARGV 1–4 as in emit, 5 tag, 6 token, 7 id, 8 state, 9 `result` or `error`, 10 its JSON, 11 retention ms
-- Returns 1, or 0 if the lease is lost.
local v = job(KEYS[1])
local ending = ARGV[8] .. ' ' .. ARGV[6]
if v[TOKEN] ~= ARGV[6] then
  return v[ENDED] == ending and 1 or 0
end
local time = now()
v[STATE], v[FINISHED] = ARGV[8], time
v[ARGV[9] == 'result' and 7 or 8] = ARGV[10]
redis.call('HSET', KEYS[1], 'state', ARGV[8], ARGV[9], ARGV[10], 'finished_at', time, 'ended', ending)
redis.call('HDEL', KEYS[1], 'token')
redis.call('ZREM', KEYS[8], ARGV[7])
emit(KEYS[1], KEYS[5], KEYS[6], KEYS[7], ARGV[5], time, record(v))
expire(KEYS[1], ARGV[11])
return 1
