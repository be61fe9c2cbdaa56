-- Put before scripts that wake workers. KEYS as in job.lua.

-- One of the queue's keys that is not among KEYS.
local function part(name)
  return string.sub(KEYS[1], 1, -5) .. name
end

-- Wakes as many workers. The list is bounded: nobody may be listening.
local function wake(count)
  local list = KEYS[12] or part('wake')
  local most = math.min(count, 32 - redis.call('LLEN', list))
  if most == 1 then
    redis.call('RPUSH', list, '1')
  elseif most > 1 then
    local tokens = {}
    for i = 1, most do
      tokens[i] = '1'
    end
    redis.call('RPUSH', list, unpack(tokens))
  end
end
