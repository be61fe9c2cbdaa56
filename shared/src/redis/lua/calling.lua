-- Whether there are calls to take.
-- KEYS 1 LIST of calls that wait, 2 the turn of a serial group
-- Returns {1 if there are, ms until that may change by itself or -1}
if redis.call('LLEN', KEYS[1]) == 0 then
  return { 0, -1 }
end
local left = redis.call('PTTL', KEYS[2])
if left >= 0 then
  return { 0, left }
end
return { 1, -1 }
