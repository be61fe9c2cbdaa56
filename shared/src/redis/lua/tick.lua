-- Submits the jobs of a schedule's ticks, if nobody has done so and it was not changed meanwhile.
-- KEYS 1–12 as in job.lua, 13 and 14 as in schedule.lua
-- ARGV 1–6 as in topic.lua, 7 name, 8 definition, 9 its next tick as it is, 10 as it will be, then for each job
--      (≤ 64) tag, id, head, tail up to the creation time, data, priority, concurrency key as in submit.lua
-- Returns how many jobs there are.
local at = redis.call('ZSCORE', KEYS[14], ARGV[7])
if not at or tonumber(at) ~= tonumber(ARGV[9]) or redis.call('HGET', KEYS[13], ARGV[7]) ~= ARGV[8] then
  return 0
end
redis.call('ZADD', KEYS[14], ARGV[10], ARGV[7])
local count = 0
for i = 11, #ARGV, 7 do
  local key = KEYS[1] .. ARGV[i + 1]
  if redis.call('EXISTS', key) == 0 then
    create(key, ARGV[i + 1], ARGV[i], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], ARGV[i + 6], '')
    count = count + 1
  end
end
done()
return count
