-- Forgets a call of a serial group that was answered, and lets the next one begin.
-- KEYS 1 the running call, 2 the turn, 3 LIST of calls that wait, 4 LIST of wake-up tokens
-- ARGV 1 what the turn holds if it is this call's, 2 ms that the list of tokens outlives its last change
-- Returns 1
redis.call('DEL', KEYS[1])
if redis.call('GET', KEYS[2]) == ARGV[1] then
  redis.call('DEL', KEYS[2])
  if redis.call('LLEN', KEYS[3]) > 0 then
    if redis.call('RPUSH', KEYS[4], '1') > 32 then
      redis.call('LPOP', KEYS[4])
    end
    redis.call('PEXPIRE', KEYS[4], ARGV[2])
  end
end
return 1
