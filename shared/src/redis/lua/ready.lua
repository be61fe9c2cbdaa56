-- Put before scripts that queue jobs. KEYS as in job.lua.

-- One of the queue's keys that is not among KEYS.
local function part(name)
  return string.sub(KEYS[1], 1, -5) .. name
end

-- Wakes one worker. The list is bounded: nobody may be listening.
local function wake()
  local list = KEYS[12] or part('wake')
  if redis.call('LLEN', list) < 32 then
    redis.call('RPUSH', list, '1')
  end
end

-- Queues a job. Its rank is the time it has been waiting since, less 300,000 ms for each step of priority
-- (AGING in job/queue.rs): the lowest is claimed first, equals in the order of their ids.
local function ready(id, since, priority)
  redis.call('ZADD', KEYS[9], string.format('%d', since - priority * 300000), id)
  wake()
end

-- Queues a job again, before its equals: it has been waiting since it was made.
local function put_back(key, id, v)
  ready(id, string.sub(v[9], -13), redis.call('HGET', key, 'priority') or '5')
end
