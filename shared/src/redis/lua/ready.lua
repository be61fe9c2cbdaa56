-- Put, after job.lua, before scripts that queue jobs. KEYS as in job.lua.

-- Queues a job. Its rank is the time it has been waiting since, less 300,000 ms for each step of priority
-- (AGING in job/queue.rs): the lowest is claimed first, equals in the order of their ids.
local function ready(id, since, priority)
  place(KEYS[9], format('%d', since - priority * 300000), id)
  WOKEN = WOKEN + 1
end

-- The priority of a job, of which v is what `job` gave.
local function priority_of(key, v)
  return find(v.tail, '\27', 1, true) and call('HGET', key, 'priority') or '5'
end

-- Queues a job again, before its equals: it has been waiting since it was made.
local function put_back(key, id, v)
  ready(id, sub(v.tail, -13), priority_of(key, v))
end
