-- Cancels a job that waits, or marks one that runs and shortens its lease.
-- KEYS 1–12 as in job.lua
-- ARGV 1–6 as in topic.lua, 7 as in ending.lua, 8 id, 9 tag, 10 ms that a running job may take to end
-- Returns the entry of the record as it then is, or nothing if there is no such job.
local key = KEYS[1] .. ARGV[8]
local v = job(key)
if not v then
  return false
elseif not v.state then
  -- Rubbish, which is for the caller to say.
  return v.e
end
if v.state == 'running' and v.more == '' then
  local ends = TIME + ARGV[10]
  local timeout = tonumber(redis.call('HGET', key, 'until'))
  if timeout and timeout < ends then
    ends = timeout
  end
  ends = string.format('%d', ends)
  v.more = '\24'
  redis.call('ZADD', KEYS[5], 'XX', 'LT', ends, ARGV[8])
  local entry = tell(key, v, v.hold, ARGV[9], 'until', 'c' .. ends)
  done()
  return entry
elseif v.finished ~= '\19' or v.state == 'running' then
  return v.e
end
local waits = v.state == 'queued' and 9 or v.state == 'scheduled' and 10 or 11
redis.call('ZREM', KEYS[waits], ARGV[8])
local name = waits == 9 and concurrency(key, v.tail)
if name and redis.call('ZREM', part('parked'), ARGV[8]) == 1 then
  redis.call('ZREM', part('conc:' .. name), ARGV[8])
elseif name then
  -- Its turn had come: now it is another's.
  next_for(name)
end
local entry = close(key, ARGV[8], v, 'cancelled', 'lost', ARGV[9])
done()
redis.call('PEXPIRE', KEYS[7], WEEK)
return entry
