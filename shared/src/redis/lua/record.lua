-- Put before every script that reads a job. A job's record is a HASH whose values are JSON; what is null
-- is absent. `head` is everything before the state; `tail` is timeout, most attempts, user and creation
-- time; neither ever changes. `more` is what few records have, as it stands at their end: `run_at`,
-- `cancelling` or `dead_letter`. `hold` is the token of the attempt while the job runs; afterwards what
-- the last attempt did and its token, or `released`, or `lost`. `worker` is who has or had the last attempt,
-- `history` the attempts before (see history.lua), `checkpoint` what the handler left for the next, `key` the
-- name of the idempotency key, `priority` is there unless it is 5. `said` is percent, message and typed progress, as
-- they stand in the JSON. The numbering of the job's own topic is in
-- the record too, and lives as long.

-- Where they stand in what is read of a job; before them is the numbering. Up to KEY is what a running job has.
local HOLD, HEAD, ATTEMPT, SAID, TAIL, STARTED, MORE, KEY = 5, 6, 7, 8, 9, 10, 11, 12
local STATE, RESULT, ERROR, FINISHED, STALLS = 13, 14, 15, 16, 17
-- What a job says that has not said anything.
local NOTHING = ',"percent":null,"message":null'

-- What a script needs of any job.
local function job(key)
  return redis.call('HMGET', key, 'epoch', 'top', 'tag', 'period', 'hold', 'head', 'attempt', 'said', 'tail',
    'started_at', 'more', 'key', 'state', 'result', 'error', 'finished_at', 'stalls')
end

-- The same of a job that runs, if this is its token: each field that is read costs as much as ten steps of Lua.
-- Of another one `hold` is of use, and nothing else. `...`: `key`, if that is needed.
local function running(key, token, ...)
  local v = redis.call('HMGET', key, 'epoch', 'top', 'tag', 'period', 'hold', 'head', 'attempt', 'said', 'tail',
    'started_at', 'more', ...)
  if v[HOLD] == token then
    v[STATE] = 'running'
  end
  return v
end

-- A record as JobRecord's serde writes it; as `emit` does (see job.lua).
local function record(v)
  return v[HEAD] .. v[STATE] .. '","attempt":' .. v[ATTEMPT] .. (v[SAID] or NOTHING)
    .. ',"result":' .. (v[RESULT] or 'null') .. ',"error":' .. (v[ERROR] or 'null') .. v[TAIL]
    .. ',"started_at":' .. (v[STARTED] or 'null') .. ',"finished_at":' .. (v[FINISHED] or 'null')
    .. (v[MORE] or '') .. '}'
end
