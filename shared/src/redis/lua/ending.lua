-- Put, after room.lua, before scripts that end jobs. KEYS as in job.lua; ARGV 7 is for how many ms an ended job is kept.

-- How long dead letters are kept at least (DEAD_RETENTION in job/desk.rs), and a list of ended jobs that no
-- worker looks after: a week, in ms.
local WEEK = 604800000

-- Ends a job whose lease is taken off already: that comes first, because it makes Redis let the rest through even
-- when it is full.
--   v      the record, from `job` or `running`
--   hold   what the attempt did and its token
--   ...    field, value, …: what changes besides
-- Returns the entry.
local function close(key, id, v, state, hold, tag, ...)
  if v[STATE] == 'running' then
    stopped(key, v[TAIL])
  end
  if v[MORE] then
    redis.call('HDEL', key, 'more')
  end
  v[STATE], v[FINISHED], v[MORE] = state, TIME, false
  local keep = ARGV[7]
  if state == 'failed' then
    v[MORE], keep = ',"dead_letter":true', math.max(keep, WEEK)
    redis.call('HSET', key, 'more', v[MORE])
  end
  local entry = emit(key, v, tag, 'state', state, 'finished_at', TIME, 'hold', hold, ...)
  place(KEYS[state == 'succeeded' and 6 or state == 'cancelled' and 7 or 8], TIME, id)
  redis.call('PEXPIRE', key, keep)
  redis.call('PEXPIRE', key .. ':log', keep)
  if v[KEY] then
    redis.call('PEXPIRE', v[KEY], ARGV[7])
  end
  return entry
end
