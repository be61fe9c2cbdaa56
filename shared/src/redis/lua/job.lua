-- Put, after topic.lua and record.lua, before every script that changes jobs.
-- Keys of jobs that only a script can know (it popped their ids) are built from a prefix that is passed
-- among KEYS, so they are in the same slot.

-- Stores what changed in a job and appends its record to its own log and to its queue's.
--   v      the record as it now is, from `job`
--   set    {'HSET', key, field, value, …}: what changed
-- Returns the record's JSON and its position in the job's own log.
local function emit(v, set, all_log, all_meta, all_channel, tag, time)
  local json, key, n = record(v), set[2], #set
  local tail = ' \n' .. json
  local late = append(key .. ':log', key .. ':ch', v, EPOCH, tag, 'j', time, tail)
  set[n + 1], set[n + 2], set[n + 3], set[n + 4] = 'top', v[EPOCH + 1], 'tag', tag
  if late then
    set[n + 5], set[n + 6], set[n + 7], set[n + 8] = 'epoch', v[EPOCH], 'period', v[EPOCH + 3]
  end
  redis.call(unpack(set))
  publish(all_log, all_meta, all_channel, tag, 'j', time, tail)
  return json, v[EPOCH] .. ' ' .. v[EPOCH + 1] .. ' ' .. tag
end
