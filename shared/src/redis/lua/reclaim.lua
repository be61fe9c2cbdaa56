-- Takes back jobs whose lease ran out: first in their priority again, or failed after too many stalls.
-- KEYS 1 prefix of the slot's job records, 2–4 log, meta and channel of the queue, 5 leases,
--      6 wake list, 7 ready lists without the priority
-- ARGV 1–6 as in topic.lua, 7 most stalls, 8 error (JSON), 9 retention ms, 10 tags of 6 bytes, one a job,
--      11 limit (≤ 256)
-- Returns how many there were.
local time = now()
local ids = redis.call('ZRANGE', KEYS[5], '-inf', time, 'BYSCORE', 'LIMIT', 0, ARGV[11])
local count = 0
-- From the last to the first, so that what ran out first is first in its list again.
for i = #ids, 1, -1 do
  local id = ids[i]
  local key = KEYS[1] .. id
  redis.call('ZREM', KEYS[5], id)
  local v = job(key)
  if v[1] and v[STATE] == 'running' then
    count = count + 1
    local tag = string.sub(ARGV[10], count * 6 - 5, count * 6)
    local stalls = (tonumber(v[STALLS]) or 0) + 1
    if stalls >= tonumber(ARGV[7]) then
      v[STATE], v[ERROR], v[FINISHED] = 'failed', ARGV[8], time
      redis.call('HDEL', key, 'token')
      emit(v, { 'HSET', key, 'state', 'failed', 'error', ARGV[8], 'finished_at', time, 'stalls', stalls },
        KEYS[2], KEYS[3], KEYS[4], tag, time)
      expire(key, ARGV[9])
    else
      v[STATE] = 'queued'
      redis.call('HDEL', key, 'token')
      redis.call('LPUSH', KEYS[7] .. (redis.call('HGET', key, 'priority') or '5'), id)
      wake(KEYS[6])
      emit(v, { 'HSET', key, 'state', 'queued', 'stalls', stalls }, KEYS[2], KEYS[3], KEYS[4], tag, time)
    end
  end
end
return count
