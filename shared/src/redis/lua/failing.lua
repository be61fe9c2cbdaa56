-- Put, after ready.lua, ending.lua and history.lua, before scripts in which attempts fail. KEYS as in job.lua; ARGV 8 is
-- the first back-off step in ms, 9 the longest, 10 a random number from 0 to 1.

-- What becomes of a job whose attempt has failed, and whose lease is taken off. Returns the state it is in then.
local function failed(key, id, v, retry, message, hold, tag)
  v[ERROR] = message
  local before = history(key, v, 'failed', message, TIME)
  if retry and v[MORE] then
    close(key, id, v, 'cancelled', hold, tag, 'error', message, 'history', before)
  elseif retry and tonumber(v[ATTEMPT]) < tonumber(string.match(v[TAIL], '"max_attempts":(%d+)')) then
    local step = math.min(ARGV[8] * 2 ^ (v[ATTEMPT] - 1), tonumber(ARGV[9]))
    local at = string.format('%d', TIME + math.floor(step * ARGV[10]))
    v[STATE], v[MORE] = 'retrying', ',"run_at":' .. at
    stopped(key, v[TAIL])
    emit(key, v, tag, 'error', message, 'history', before, 'state', 'retrying', 'more', v[MORE],
      'hold', hold)
    place(KEYS[11], at, id)
    WOKEN = WOKEN + 1
  else
    close(key, id, v, 'failed', hold, tag, 'error', message, 'history', before)
  end
  return v[STATE]
end
