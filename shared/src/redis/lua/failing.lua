-- Put, after ready.lua, ending.lua and history.lua, before scripts in which attempts fail. KEYS as in job.lua; ARGV 8 is
-- the first back-off step in ms, 9 the longest, 10 a random number from 0 to 1.

-- What becomes of a job whose attempt has failed, and whose lease is taken off. Returns the state it is in then.
local function failed(key, id, v, retry, message, hold, tag)
  v.error = message
  local before = history(key, v, 'failed', message, TIME)
  if retry and v.more ~= '' then
    close(key, id, v, 'cancelled', hold, tag, 'history', before)
  elseif retry and tonumber(v.attempt) < tonumber(string.match(v.tail, '\14(%d+)')) then
    local step = math.min(ARGV[8] * 2 ^ (v.attempt - 1), tonumber(ARGV[9]))
    local at = string.format('%d', TIME + math.floor(step * ARGV[10]))
    v.state, v.more = 'retrying', '\23' .. at
    stopped(key, v.tail)
    tell(key, v, hold, tag, 'history', before)
    place(KEYS[11], at, id)
    WOKEN = WOKEN + 1
  else
    close(key, id, v, 'failed', hold, tag, 'history', before)
  end
  return v.state
end
