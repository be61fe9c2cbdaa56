-- Put, after ready.lua, before scripts that make jobs. KEYS as in job.lua.

-- Makes a job: queued, or waiting for a time.
--   tail      up to the creation time
--   together  limit and concurrency key, with a space between, or ''
--   delay     ms, or ''
-- Returns its first entry.
local function create(key, id, tag, head, tail, data, priority, together, delay)
  local state, more = 'queued', false
  tail = tail .. TIME
  if delay ~= '' then
    local at = string.format('%d', TIME + delay)
    state, more = 'scheduled', ',"run_at":' .. at
    place(KEYS[10], at, id)
    -- Who waits must learn for how long.
    WOKEN = WOKEN + 1
  else
    ready(id, TIME, priority)
  end
  local v = { false, false, false, false, false, head, '0', false, tail, false, more, false, state }
  local entry = emit(key, v, tag, 'head', head, 'state', state, 'attempt', '0', 'tail', tail, 'data', data)
  if priority ~= '5' then
    redis.call('HSET', key, 'priority', priority)
  end
  if together ~= '' then
    redis.call('HSET', key, 'conc', together)
  end
  if more then
    redis.call('HSET', key, 'more', more)
  end
  return entry
end
