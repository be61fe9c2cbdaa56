-- Put, after room.lua, before scripts that end jobs. KEYS as in job.lua; ARGV 7 is for how many ms an ended job is kept.

-- How long dead letters are kept at least (DEAD_RETENTION in job/desk.rs), and a list of ended jobs that no
-- worker looks after: a week, in ms.
local WEEK = 604800000

-- Where the idempotency key of a job stands in what is read of it.
local KEY = 19

-- Ends a job.
--   v      the record, from `job(key, 'key')`
--   set    {'HSET', key, …}: what changes besides
--   hold   what the attempt did and its token
-- Returns the record's JSON.
local function close(id, v, state, set, hold, tag, time)
  local key, n = set[2], #set
  -- First, because it makes Redis let the rest through even when it is full: jobs must be able to end.
  redis.call('ZREM', KEYS[5], id)
  if v[STATE] == 'running' then
    stopped(key, v)
  end
  if v[MORE] then
    redis.call('HDEL', key, 'more')
  end
  v[STATE], v[FINISHED], v[MORE] = state, time, false
  set[n + 1], set[n + 2], set[n + 3], set[n + 4], set[n + 5], set[n + 6] =
    'state', state, 'finished_at', time, 'hold', hold
  if state == 'failed' then
    v[MORE] = ',"dead_letter":true'
    set[n + 7], set[n + 8] = 'more', v[MORE]
  end
  local json = emit(v, set, tag, time)
  local ended = KEYS[state == 'succeeded' and 6 or state == 'cancelled' and 7 or 8]
  redis.call('ZADD', ended, time, id)
  local keep = state == 'failed' and math.max(ARGV[7], WEEK) or ARGV[7]
  redis.call('PEXPIRE', key, keep)
  redis.call('PEXPIRE', key .. ':log', keep)
  if v[KEY] then
    redis.call('PEXPIRE', v[KEY], ARGV[7])
  end
  return json
end
