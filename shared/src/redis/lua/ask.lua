-- Puts a call into its group's list, if some worker serves its method.
-- KEYS 1 LIST of calls that wait, 2 LIST of wake-up tokens, 3 ZSET of methods by the end of their service
-- ARGV 1 method, 2 id (32 digits), 3 ms that it may take, 4 the rest of the call, 5 most calls that wait,
--      6 ms that the list outlives its last change
-- Returns when the time of the call is over, -1 if nobody serves the method, -2 if too many wait.
local time = tonumber(now())
local served = redis.call('ZSCORE', KEYS[3], ARGV[1])
if not served or tonumber(served) <= time then
  return -1
end
local ends = string.format('%d', time + ARGV[3])
local most, waiting = tonumber(ARGV[5]), redis.call('RPUSH', KEYS[1], ARGV[2] .. ends .. ARGV[4])
if waiting > most then
  -- Those whose time is over make room.
  for _ = 1, 64 do
    local first = redis.call('LINDEX', KEYS[1], 0)
    if tonumber(string.sub(first, 33, 45)) > time then
      break
    end
    redis.call('LPOP', KEYS[1])
    waiting = waiting - 1
  end
  if waiting > most then
    redis.call('RPOP', KEYS[1])
    return -2
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[6])
if redis.call('RPUSH', KEYS[2], '1') > 32 then
  redis.call('LPOP', KEYS[2])
end
redis.call('PEXPIRE', KEYS[2], ARGV[6])
return tonumber(ends)
