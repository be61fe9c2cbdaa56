-- Takes a call back that nobody has taken.
-- KEYS 1 LIST of calls that wait, 2 the running call
-- ARGV 1 the call as it stands in the list
-- Returns where the worker that has taken it hears that it is not wanted any more, or nothing.
if redis.call('LREM', KEYS[1], 1, ARGV[1]) > 0 then
  return false
end
return redis.call('GET', KEYS[2])
