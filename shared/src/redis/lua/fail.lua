-- Ends an attempt as failed: the job is tried again later, or has failed. Repeating it changes nothing.
-- KEYS 1–12 as in job.lua
-- ARGV 1–6 as in topic.lua, 7 as in ending.lua, 8–10 as in failing.lua, 11 token, 12 id, 13 tag,
--      14 1 if it may be tried again, 15 error (JSON), 16 1 if the queue has a limit of running jobs
-- Returns the state that the job then has, or nothing if the lease is lost.
local key = KEYS[1] .. ARGV[12]
local v = job(key)
local hold = 'fail:' .. ARGV[11]
if v and v.hold == hold then
  return v.finished ~= '\19' and v.state or 'retrying'
elseif not v or v.hold ~= ARGV[11] then
  return false
end
LIMITED = ARGV[16] == '1'
redis.call('ZREM', KEYS[5], ARGV[12])
local state = failed(key, ARGV[12], v, ARGV[14] == '1', ARGV[15], hold, ARGV[13])
done()
return state
