-- Put, after topic.lua, record.lua and wake.lua, before every script that changes jobs.
-- KEYS of all of them, each script as many as it needs, all in one slot:
--   1 prefix of the job records, 2–4 log, meta and channel of the queue,
--   5 lease: ZSET of running jobs by when their lease runs out,
--   6 succeeded, 7 cancelled, 8 dead: ZSETs of those that have ended by when that was,
--   9 ready: ZSET of queued jobs by rank (see ready.lua),
--   10 due, 11 retry: ZSETs of scheduled and of retrying jobs by when they are due,
--   12 wake: LIST of tokens for workers that wait,
--   13 paused: there while no job is to be claimed
-- Those that few queues have are in room.lua. ARGV 1–6 as in topic.lua.
--
-- What can be done for all jobs of a script at once is kept here until the script calls `told`, after its last
-- change: a call of Redis costs more than what it does.
--
-- An entry of a job's log is one of its queue's log too, with both places in its header (see entry.rs): each string
-- that is made costs Redis time for each of its bytes.

local TIME = now()
local PERIOD, MOST = string.sub(TIME, 1, ARGV[4]), tonumber(ARGV[1])

-- The numbering of the queue's log as HMGET gives it, its top as a number, whether it is new, and the entries to be
-- appended.
local QUEUE, TOP, NEW, TOLD = nil, 0, false, {}
-- {rank, id, rank, id, …} to be put into a ZSET, by its key.
local PLACED = {}
-- How many workers are to be woken.
local WOKEN = 0

-- Puts a job into a ZSET.
local function place(set, rank, id)
  local list = PLACED[set]
  if list then
    local n = #list
    list[n + 1], list[n + 2] = rank, id
  else
    PLACED[set] = { rank, id }
  end
end

-- Stores what changed in a job and appends its record to its own log; `told` does the rest.
--   v      the record as it now is, from `job` or `running`; its numbering is brought up to date
--   ...    field, value, …: what changed
-- Returns the entry.
local function emit(key, v, tag, ...)
  if not QUEUE then
    QUEUE = redis.call('HMGET', KEYS[3], 'epoch', 'top', 'tag', 'period')
    TOP = tonumber(QUEUE[2])
    NEW = not (QUEUE[1] and TOP and QUEUE[3])
    if NEW then
      QUEUE[1], TOP, QUEUE[3] = ARGV[6], 0, ''
    end
  end
  TOP = TOP + 1
  local top, previous = tonumber(v[2]), v[3]
  local new = not (v[1] and top and previous)
  if new then
    v[1], top, previous = ARGV[6], 0, ''
  end
  local offset = string.format('%d', top + 1)
  local entry = '2 j ' .. v[1] .. ' ' .. offset .. ' ' .. tag .. ' ' .. previous .. ' ' .. TIME
    .. ' ' .. QUEUE[1] .. ' ' .. string.format('%d', TOP) .. ' ' .. QUEUE[3] .. '\n'
    .. v[HEAD] .. v[STATE] .. '","attempt":' .. v[ATTEMPT] .. (v[SAID] or NOTHING)
    .. ',"result":' .. (v[RESULT] or 'null') .. ',"error":' .. (v[ERROR] or 'null') .. v[TAIL]
    .. ',"started_at":' .. (v[STARTED] or 'null') .. ',"finished_at":' .. (v[FINISHED] or 'null')
    .. (v[MORE] or '') .. '}'
  -- The first write, and one that a full Redis refuses: after it the script runs to its end.
  local log = key .. ':log'
  local length = redis.call('RPUSH', log, entry)
  if length > 1 then
    if new then
      redis.call('LTRIM', log, -1, -1)
    elseif length > MOST then
      redis.call('LTRIM', log, ARGV[2], -1)
    end
  end
  if new or length == 1 or v[4] ~= PERIOD then
    redis.call('PEXPIRE', log, ARGV[3])
    redis.call('HSET', key, 'top', offset, 'tag', tag, 'epoch', v[1], 'period', PERIOD, ...)
  else
    redis.call('HSET', key, 'top', offset, 'tag', tag, ...)
  end
  redis.call('SPUBLISH', key .. ':ch', entry)
  v[2], v[3], v[4] = offset, tag, PERIOD
  TOLD[#TOLD + 1], QUEUE[3] = entry, tag
  return entry
end

-- Appends to the queue's log what `emit` left, publishes it, puts jobs where `place` was told, wakes workers.
local function told()
  for set, list in pairs(PLACED) do
    redis.call('ZADD', set, unpack(list))
  end
  if WOKEN > 0 then
    wake(WOKEN)
  end
  if not QUEUE then
    return
  end
  local count, length = #TOLD, redis.call('RPUSH', KEYS[2], unpack(TOLD))
  if NEW and length > count then
    -- What is left of another numbering.
    redis.call('LTRIM', KEYS[2], -count, -1)
    length = count
  end
  if length > MOST then
    redis.call('LTRIM', KEYS[2], ARGV[2], -1)
  end
  local top = string.format('%d', TOP)
  if NEW or length == count or QUEUE[4] ~= PERIOD then
    redis.call('PEXPIRE', KEYS[2], ARGV[3])
    redis.call('HSET', KEYS[3], 'epoch', QUEUE[1], 'top', top, 'tag', QUEUE[3], 'period', PERIOD)
    redis.call('PEXPIRE', KEYS[3], ARGV[5])
  else
    redis.call('HSET', KEYS[3], 'top', top, 'tag', QUEUE[3])
  end
  -- Where nobody hears the first, nobody hears the others: nothing comes between them.
  if redis.call('SPUBLISH', KEYS[4], TOLD[1]) > 0 then
    for i = 2, count do
      redis.call('SPUBLISH', KEYS[4], TOLD[i])
    end
  end
end
