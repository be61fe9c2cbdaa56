-- Put, after topic.lua, before every script that changes jobs: a job's record, and appending it to logs.
-- Keys of jobs that only a script can know (it popped their ids) are built from a prefix that is passed
-- among KEYS, so they are in the same slot.

-- A job's record as HMGET gives it: values are JSON, what is null is absent. `head` is everything
-- before the state, `tail` is user and creation time; neither ever changes.
local STATE, ATTEMPT, PERCENT, MESSAGE, PROGRESS, ERROR = 2, 3, 4, 5, 6, 8
local STARTED, FINISHED, TOKEN, WAITING, ENDED, STALLS = 10, 11, 12, 13, 14, 15

local function job(key)
  return redis.call('HMGET', key, 'head', 'state', 'attempt', 'percent', 'message', 'progress', 'result',
    'error', 'tail', 'started_at', 'finished_at', 'token', 'waiting', 'ended', 'stalls')
end

-- The record as JobRecord's serde writes it.
local function record(v)
  return v[1] .. v[2] .. '","attempt":' .. v[3]
    .. ',"percent":' .. (v[4] or 'null') .. ',"message":' .. (v[5] or 'null')
    .. (v[6] and ',"progress":' .. v[6] or '')
    .. ',"result":' .. (v[7] or 'null') .. ',"error":' .. (v[8] or 'null')
    .. v[9] .. ',"started_at":' .. (v[10] or 'null') .. ',"finished_at":' .. (v[11] or 'null') .. '}'
end

-- Appends a job's record to its own log, whose numbering lives as long as the job, and to its queue's.
-- ARGV of every script that calls it: 1 size, 2 ttl, 3 keep of the queue's numbering, 4 epoch candidate.
-- Returns the position in the job's own log.
local function emit(key, all_log, all_meta, all_channel, tag, time, json)
  local size, ttl, tail = tonumber(ARGV[1]), tonumber(ARGV[2]), ' \n' .. json
  local position = append(key .. ':log', key .. ':meta', key .. ':ch', size, ttl, 0, ARGV[4], tag, 'j', time, tail)
  append(all_log, all_meta, all_channel, size, ttl, tonumber(ARGV[3]), ARGV[4], tag, 'j', time, tail)
  return position
end

-- Wakes one worker. The list is bounded: nobody may be listening.
local function wake(list)
  if redis.call('RPUSH', list, '1') > 32 then
    redis.call('LPOP', list)
  end
end

-- Lets go of an ended job after a while: its record, log, numbering and idempotency key.
local function expire(key, retention)
  redis.call('PEXPIRE', key, retention)
  redis.call('PEXPIRE', key .. ':log', retention)
  redis.call('PEXPIRE', key .. ':meta', retention)
  local idempotency = redis.call('HGET', key, 'key')
  if idempotency then
    redis.call('PEXPIRE', idempotency, retention)
  end
end
