-- Put, after ready.lua, before scripts that make jobs. KEYS as in job.lua.

-- Makes a job: queued, or waiting for a time.
--   tail      up to the creation time
--   together  limit and concurrency key, with a space between, or ''
--   delay     ms, or ''
-- Returns the record's JSON and its position in the job's own log.
local function create(key, id, tag, head, tail, data, priority, together, delay, time)
  local v = { head, 'queued', '0' }
  v[TAIL] = tail .. time
  local set = { 'HSET', key, 'head', head, 'state', 'queued', 'attempt', '0', 'tail', v[TAIL],
    'data', data, 'priority', priority }
  if together ~= '' then
    set[15], set[16] = 'conc', together
  end
  if delay == '' then
    local json = emit(v, set, tag, time)
    ready(id, time, priority)
    return json, position(v, EPOCH)
  end
  local at = string.format('%d', time + delay)
  v[STATE], v[MORE] = 'scheduled', ',"run_at":' .. at
  set[6], set[#set + 1], set[#set + 2] = 'scheduled', 'more', v[MORE]
  local json = emit(v, set, tag, time)
  redis.call('ZADD', KEYS[10], at, id)
  -- Who waits must learn for how long.
  wake()
  return json, position(v, EPOCH)
end
