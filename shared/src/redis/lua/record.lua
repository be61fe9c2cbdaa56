-- Put before every script that reads a job. A job's record is a HASH whose values are JSON; what is null
-- is absent. `head` is everything before the state; `tail` is timeout, most attempts, user and creation
-- time; neither ever changes. `more` is what few records have, as it stands at their end: `run_at`,
-- `cancelling` or `dead_letter`. `hold` is the token of the attempt while the job runs; afterwards what
-- the last attempt did and its token, or `released`, or `lost`. `worker` is who has or had the last attempt,
-- `history` the attempts before (see history.lua), `checkpoint` what the handler left for the next. The numbering of the job's own topic is in
-- the record too, and lives as long.

local STATE, ATTEMPT, PERCENT, MESSAGE, PROGRESS, RESULT, ERROR = 2, 3, 4, 5, 6, 7, 8
local TAIL, STARTED, FINISHED, EPOCH, HOLD, MORE, STALLS = 9, 10, 11, 12, 16, 17, 18

-- What a script needs of a job, and the fields that it names besides.
local function job(key, ...)
  return redis.call('HMGET', key, 'head', 'state', 'attempt', 'percent', 'message', 'progress', 'result',
    'error', 'tail', 'started_at', 'finished_at', 'epoch', 'top', 'tag', 'period',
    'hold', 'more', 'stalls', ...)
end

-- The record as JobRecord's serde writes it.
local function record(v)
  return v[1] .. v[2] .. '","attempt":' .. v[3]
    .. ',"percent":' .. (v[4] or 'null') .. ',"message":' .. (v[5] or 'null')
    .. (v[6] and ',"progress":' .. v[6] or '')
    .. ',"result":' .. (v[7] or 'null') .. ',"error":' .. (v[8] or 'null')
    .. v[9] .. ',"started_at":' .. (v[10] or 'null') .. ',"finished_at":' .. (v[11] or 'null')
    .. (v[17] or '') .. '}'
end
