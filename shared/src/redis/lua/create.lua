-- Put, after ready.lua, before scripts that make jobs. KEYS as in job.lua.

-- Makes a job: queued, or waiting for a time.
--   head, tail  of its shorthand, from behind the id to the state, and to the creation time
--   together    limit and concurrency key, with a space between, or ''
--   delay       ms, or ''
-- Returns its first entry.
local function create(key, id, tag, head, tail, data, priority, together, delay)
  local state, more = 'queued\0050', '\17\19\18\19}'
  if delay ~= '' then
    local at = format('%d', TIME + delay)
    state, more = 'scheduled\0050', '\17\19\18\19\23' .. at .. '}'
    place(KEYS[10], at, id)
    -- Who waits must learn for how long.
    WOKEN = WOKEN + 1
  else
    ready(id, TIME, priority)
  end
  local entry = emit(key, nil, nil, '-', tag, '\n\1' .. id, head .. state, NOTHING .. UNENDED, tail, TIME .. more,
    'data', data)
  if priority ~= '5' then
    call('HSET', key, 'priority', priority)
  end
  if together ~= '' then
    call('HSET', key, 'conc', together)
  end
  return entry
end
