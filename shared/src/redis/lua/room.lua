-- Put, after job.lua, before scripts in which jobs begin or stop to run: what limits a queue. Of these keys
-- most queues have none, so they are built from the first: `full`: there while a job waits because as many run
-- as may; `rate`: LIST of when the last jobs began; `conc`: HASH of how many run for a concurrency key,
-- `conc:<key>`: ZSET by rank of the queued jobs that wait for one of them to end, `parked`: all of those, the same.
-- KEYS[5], of the scripts that call room: the leases of those that run.

-- Whether the queue has a limit of running jobs, as the script was told.
local LIMITED = false

-- Which concurrency key a job has, and its limit; or nothing. `text` has its shorthand behind the error.
local function concurrency(key, text)
  if string.find(text, '\21', 1, true) then
    local limit, name = string.match(redis.call('HGET', key, 'conc') or '', '^(%d+) (.+)$')
    return name, tonumber(limit)
  end
end

-- How many jobs may begin now, at most `most`; and, if none because of the rate, in how many ms one may.
--   running  most that may run, 0: any number
--   rate     most that may begin within `period` ms, at most 10,000, 0: any number
local function room(most, running, rate, period, time)
  if running > 0 then
    most = math.min(most, running - redis.call('ZCARD', KEYS[5]))
  end
  if most <= 0 or rate == 0 then
    return math.max(most, 0)
  end
  local free = rate - redis.call('LLEN', part('rate'))
  if free < most then
    -- Those that began first, as many as would have to be forgotten.
    for _, began in ipairs(redis.call('LRANGE', part('rate'), 0, most - free - 1)) do
      local pause = began + period - time
      if pause > 0 then
        return math.max(free, 0), free <= 0 and pause or nil
      end
      free = free + 1
    end
  end
  return math.min(free, most)
end

-- Lets the first of those that wait for a concurrency key be claimed.
local function next_for(name)
  local first = redis.call('ZPOPMIN', part('conc:' .. name))
  if first[1] then
    redis.call('ZREM', part('parked'), first[1])
    redis.call('ZADD', part('ready'), first[2], first[1])
    WOKEN = WOKEN + 1
  end
end

-- To be called when a job stops to run, whatever becomes of it.
local function stopped(key, text)
  local name = concurrency(key, text)
  if name then
    if redis.call('HINCRBY', part('conc'), name, -1) <= 0 then
      redis.call('HDEL', part('conc'), name)
    end
    next_for(name)
  end
  if LIMITED and redis.call('DEL', part('full')) == 1 then
    WOKEN = WOKEN + 1
  end
end
