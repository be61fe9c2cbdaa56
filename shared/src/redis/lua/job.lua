-- Put, after topic.lua and record.lua, before every script that changes jobs.
-- KEYS of all of them, each script as many as it needs, all in one slot:
--   1 prefix of the job records, 2–4 log, meta and channel of the queue,
--   5 lease: ZSET of running jobs by when their lease runs out,
--   6 succeeded, 7 cancelled, 8 dead: ZSETs of those that have ended by when that was,
--   9 ready: ZSET of queued jobs by rank (see ready.lua),
--   10 due, 11 retry: ZSETs of scheduled and of retrying jobs by when they are due,
--   12 wake: LIST of tokens for workers that wait,
--   13 paused: there while no job is to be claimed
-- Those that few queues have are in room.lua. ARGV 1–6 as in topic.lua.

-- The numbering of the queue's log as HMGET gives it, once there was something to append, and whether epoch and
-- period of it are to be stored.
local QUEUE, LATE
-- Set by scripts that change many jobs: they call `told` themselves, once, after the last.
local MANY = false

-- Stores the numbering of the queue's log.
local function told()
  if LATE then
    redis.call('HSET', KEYS[3], 'epoch', QUEUE[1], 'top', QUEUE[2], 'tag', QUEUE[3], 'period', QUEUE[4])
    redis.call('PEXPIRE', KEYS[3], ARGV[5])
  elseif QUEUE then
    redis.call('HSET', KEYS[3], 'top', QUEUE[2], 'tag', QUEUE[3])
  end
end

-- Stores what changed in a job and appends its record to its own log and to its queue's.
--   v      the record as it now is, from `job`
--   set    {'HSET', key, field, value, …}: what changed
-- Returns the record's JSON. Its position in the job's own log is position(v, EPOCH) then.
local function emit(v, set, tag, time)
  local json, key, n = record(v), set[2], #set
  local late = append(key .. ':log', key .. ':ch', v, EPOCH, tag, 'j', time, ' \n', json)
  set[n + 1], set[n + 2], set[n + 3], set[n + 4] = 'top', v[EPOCH + 1], 'tag', tag
  if late then
    set[n + 5], set[n + 6], set[n + 7], set[n + 8] = 'epoch', v[EPOCH], 'period', v[EPOCH + 3]
  end
  redis.call(unpack(set))
  QUEUE = QUEUE or redis.call('HMGET', KEYS[3], 'epoch', 'top', 'tag', 'period')
  LATE = append(KEYS[2], KEYS[4], QUEUE, 1, tag, 'j', time, ' \n', json) or LATE
  if not MANY then
    told()
  end
  return json
end
