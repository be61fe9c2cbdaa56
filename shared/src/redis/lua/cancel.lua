-- Cancels a job that waits, or marks one that runs and shortens its lease.
-- KEYS 1–8 as in job.lua
-- ARGV 1–6 as in topic.lua, 7 as in ending.lua, 8 id, 9 tag, 10 ms that a running job may take to end
-- Returns the record as it then is, or nothing if there is no such job.
local key = KEYS[1] .. ARGV[8]
local v = job(key)
if not v[1] then
  return false
end
local time = now()
if v[STATE] == 'running' and not v[MORE] then
  local ends = time + ARGV[10]
  local timeout = tonumber(redis.call('HGET', key, 'until'))
  if timeout and timeout < ends then
    ends = timeout
  end
  ends = string.format('%d', ends)
  v[MORE] = ',"cancelling":true'
  redis.call('ZADD', KEYS[5], 'XX', 'LT', ends, ARGV[8])
  return (emit(v, { 'HSET', key, 'more', v[MORE], 'until', 'c' .. ends }, ARGV[9], time))
elseif v[FINISHED] or v[STATE] == 'running' then
  return record(v)
end
redis.call('ZREM', v[STATE] == 'queued' and KEYS[6] or KEYS[7], ARGV[8])
return close(ARGV[8], v, 'cancelled', { 'HSET', key }, 'lost', ARGV[9], time)
