-- Keeps jobs of a queue from being claimed, or lets them be claimed again.
-- KEYS 1–13 as in job.lua
-- ARGV 1 1: pause, 0: resume
if ARGV[1] == '1' then
  redis.call('SET', KEYS[13], '1')
elseif redis.call('DEL', KEYS[13]) == 1 then
  wake(redis.call('ZCARD', KEYS[9]))
end
