-- Takes back jobs whose lease ran out: cancelled if they were to be, their attempt failed if it has taken
-- too long, queued again before their equals, or failed after too many stalls.
-- KEYS 1–12 as in job.lua
-- ARGV 1–6 as in topic.lua, 7 as in ending.lua, 8–10 as in failing.lua, 11 most stalls, 12 error of a stall
--      (JSON), 13 error of a timeout (JSON), 14 tags of 6 bytes, one a job, 15 limit (≤ 256), 16 1 if the queue
--      has a limit of running jobs
-- Returns how many there were.
local ids = redis.call('ZRANGE', KEYS[5], '-inf', TIME, 'BYSCORE', 'LIMIT', 0, ARGV[15])
local count = 0
LIMITED = ARGV[16] == '1'
for _, id in ipairs(ids) do
  local key = KEYS[1] .. id
  redis.call('ZREM', KEYS[5], id)
  local v = job(key)
  if v and v.state == 'running' then
    count = count + 1
    local tag = string.sub(ARGV[14], count * 6 - 5, count * 6)
    local m = redis.call('HMGET', key, 'until', 'stalls')
    local ends, stalls = tonumber(m[1]), (tonumber(m[2]) or 0) + 1
    if v.more ~= '' then
      close(key, id, v, 'cancelled', 'lost', tag)
    elseif ends and ends <= tonumber(TIME) then
      failed(key, id, v, true, ARGV[13], 'lost', tag)
    elseif stalls >= tonumber(ARGV[11]) then
      v.error = ARGV[12]
      close(key, id, v, 'failed', 'lost', tag, 'stalls', stalls,
        'history', history(key, v, 'lost', nil, TIME))
    else
      stopped(key, v.tail)
      v.state = 'queued'
      tell(key, v, 'lost', tag, 'stalls', stalls,
        'history', history(key, v, 'lost', nil, TIME))
      put_back(key, id, v)
    end
  end
end
done()
-- Of ended jobs, those that are forgotten by now or too many to be listed are taken off the lists.
for i = 6, 8 do
  local keep = i == 8 and math.max(ARGV[7], WEEK) or ARGV[7]
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', string.format('%d', TIME - keep))
  redis.call('ZREMRANGEBYRANK', KEYS[i], 0, -10001)
  redis.call('PEXPIRE', KEYS[i], WEEK)
end
return count
