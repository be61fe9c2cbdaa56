-- Put, after room.lua, before scripts that end jobs. KEYS as in job.lua; ARGV 7 is for how many ms an ended job is kept.

-- How long dead letters are kept at least (DEAD_RETENTION in job/desk.rs), and a list of ended jobs that no
-- worker looks after: a week, in ms.
local WEEK = 604800000

-- Lets a job that has ended be forgotten in as many ms, and its idempotency key. `text` has its shorthand behind the
-- error.
local function lapse(key, text, keep)
  call('PEXPIRE', key, keep)
  call('PEXPIRE', key .. ':log', keep)
  if find(text, '\26', 1, true) then
    call('PEXPIRE', call('HGET', key, 'key'), ARGV[7])
  end
end

-- Ends a job whose lease is taken off already: that comes first, because it makes Redis let the rest through even
-- when it is full.
--   v      what `job` gave
--   hold   what the attempt did and its token
--   ...    field, value, …: what changes besides
-- Returns the entry.
local function close(key, id, v, state, hold, tag, ...)
  if v.state == 'running' then
    stopped(key, v.tail)
  end
  v.state, v.finished, v.more = state, TIME, ''
  local keep = ARGV[7]
  if state == 'failed' then
    v.more, keep = '\25', math.max(keep, WEEK)
  end
  local entry = tell(key, v, hold, tag, ...)
  place(KEYS[state == 'succeeded' and 6 or state == 'cancelled' and 7 or 8], TIME, id)
  lapse(key, v.tail, keep)
  return entry
end
