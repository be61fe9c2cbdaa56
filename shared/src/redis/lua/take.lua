-- Takes calls that wait, oldest first, for one worker.
-- KEYS 1 LIST of calls that wait, 2 the turn of a serial group, 3 what the keys of running calls begin with,
--      4 LIST of wake-up tokens
-- ARGV 1 worker, 2 where it hears that a call is not wanted any more, 3 most calls (≤ 64),
--      4 ms that the turn of a serial group lasts, 0: it is not serial
-- Returns {time, call, call, …}
local time = now()
local taken = { time }
local limit, serial = tonumber(ARGV[3]), ARGV[4] ~= '0'
if serial then
  limit = 1
  if redis.call('EXISTS', KEYS[2]) == 1 then
    return taken
  end
end
for _ = 1, 64 do
  local wanted = limit + 1 - #taken
  if wanted == 0 then
    break
  end
  local calls = redis.call('LPOP', KEYS[1], wanted) or {}
  for _, call in ipairs(calls) do
    local left = tonumber(string.sub(call, 33, 45)) - time
    if left > 0 then
      local id = string.sub(call, 1, 32)
      redis.call('SET', KEYS[3] .. id, ARGV[2], 'PX', string.format('%d', left))
      if serial then
        redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. id, 'PX', ARGV[4])
      end
      taken[#taken + 1] = call
    end
  end
  if #calls < wanted then
    -- What tokens there are tell of nothing.
    redis.call('DEL', KEYS[4])
    break
  end
end
return taken
