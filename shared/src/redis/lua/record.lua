-- Put before every script that reads a job. A job's record is a HASH. Its field `e` is the entry that told of its
-- last change, as it stands in the logs, and as entry.rs explains: the numbering of the job's own topic, what its
-- attempt holds, and the record in shorthand. So what is told is what is stored, and reading it is one call. Log lines
-- come after it without changing the record: then `e` has the place of the last of them.
--
-- What an attempt holds is its token while the job runs; afterwards what the last attempt did, a colon and its token,
-- or `released`, or `lost`; `-` before the first.
--
-- Beside it: `data`; `worker`, who has or had the last attempt; `history`, the attempts before (see history.lua);
-- `checkpoint`, what the handler left for the next; `until`, when a running job with a timeout, or one that is to be
-- cancelled (then behind a `c`), must end; `stalls`; `key`, the name of the idempotency key, if \26 is in the shorthand;
-- `priority`, if \27 is; `conc`, limit and concurrency key.

-- Looked up once: a script calls them for each of its jobs.
local call, find, sub, match, format = redis.call, string.find, string.sub, string.match, string.format

-- Where the parts of `e` stand that have one length: epoch 3–12, tag 14–19, time 21–33.
local EPOCH, TAG, SINCE, HOLD = 3, 14, 21, 35
-- What a job says that has not said anything, and what a job has that has not ended.
local NOTHING, UNENDED = '\6\19\7\19', '\11\19\12\19'

-- Whether the attempt with this token has the job.
local function holds(e, token)
  return e and find(e, token, HOLD, true) == HOLD
end
