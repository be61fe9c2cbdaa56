-- Put before every script that needs the time. Each call of a script runs what is put before it again, so that it is
-- given no more than it uses.

-- Milliseconds since 1970, as text.
local function now()
  local t = redis.call('TIME')
  local micros = t[2]
  if #micros < 6 then
    micros = string.rep('0', 6 - #micros) .. micros
  end
  return t[1] .. string.sub(micros, 1, 3)
end

