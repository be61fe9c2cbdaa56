-- Takes back jobs whose lease ran out: first in their priority again, or failed after too many stalls.
-- KEYS 1 prefix of the slot's job records, 2–4 log, meta and channel of the queue, 5 leases,
--      6 wake list, 7 ready lists without the priority
-- ARGV 1–4 as in emit, 5 most stalls, 6 error (JSON), 7 retention ms, 8 tags of 6 bytes, one a job,
--      9 limit (≤ 256)
-- Returns how many there were.
local time = now()
local ids = redis.call('ZRANGE', KEYS[5], '-inf', time, 'BYSCORE', 'LIMIT', 0, ARGV[9])
local count = 0
-- From the last to the first, so that what ran out first is first in its list again.
for i = #ids, 1, -1 do
  local id = ids[i]
  local key = KEYS[1] .. id
  redis.call('ZREM', KEYS[5], id)
  local v = job(key)
  if v[1] and v[STATE] == 'running' then
    count = count + 1
    local tag = string.sub(ARGV[8], count * 6 - 5, count * 6)
    local stalls = (tonumber(v[STALLS]) or 0) + 1
    if stalls >= tonumber(ARGV[5]) then
      v[STATE], v[ERROR], v[FINISHED] = 'failed', ARGV[6], time
      redis.call('HSET', key, 'state', 'failed', 'error', ARGV[6], 'finished_at', time, 'stalls', stalls)
      redis.call('HDEL', key, 'token')
      emit(key, KEYS[2], KEYS[3], KEYS[4], tag, time, record(v))
      expire(key, ARGV[7])
    else
      v[STATE] = 'queued'
      redis.call('HSET', key, 'state', 'queued', 'stalls', stalls)
      redis.call('HDEL', key, 'token')
      redis.call('LPUSH', KEYS[7] .. (redis.call('HGET', key, 'priority') or '5'), id)
      wake(KEYS[6])
      emit(key, KEYS[2], KEYS[3], KEYS[4], tag, time, record(v))
    end
  end
end
return count
