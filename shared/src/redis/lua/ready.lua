-- Put, after job.lua, before scripts that queue jobs. KEYS as in job.lua.

-- Queues a job. Its rank is the time it has been waiting since, less 300,000 ms for each step of priority
-- (AGING in job/queue.rs): the lowest is claimed first, equals in the order of their ids.
local function ready(id, since, priority)
  place(KEYS[9], string.format('%d', since - priority * 300000), id)
  WOKEN = WOKEN + 1
end

-- Queues a job again, before its equals: it has been waiting since it was made.
local function put_back(key, id, v)
  ready(id, string.sub(v[TAIL], -13), redis.call('HGET', key, 'priority') or '5')
end
