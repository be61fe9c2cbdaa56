-- Put, after time.lua and record.lua, before every script that changes jobs.
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
-- What can be done for all jobs of a script at once is kept here until the script calls `told`, or `done` (see
-- place.lua), after its last change: a call of Redis costs more than what it does.
--
-- An entry of a job's log is one of its queue's log too, with both places in its header (see entry.rs), and the job's
-- record: each string that is made costs Redis time for each of its bytes.

local TIME = now()
local PERIOD, MOST = sub(TIME, 1, ARGV[4]), tonumber(ARGV[1])

-- The numbering of the queue's log as HMGET gives it, its top as a number, whether it is new, the entries to be
-- appended, and how many there are.
local QUEUE, TOP, NEW, TOLD, COUNT = nil, 0, false, {}, 0

-- Tells what became of a job: numbers an entry, appends it to the job's own log, publishes and stores it; `told` does
-- the rest.
--   e, at  the entry before, and where its offset begins; nothing for a new job
--   hold   what the attempt holds now
--   a–f    the record in shorthand, from the line break on, in parts: each string that is made costs Redis time
--   ...    field, value, …: what changes besides
-- Returns the entry.
local function emit(key, e, at, hold, tag, a, b, c, d, f, ...)
  if not QUEUE then
    QUEUE = call('HMGET', KEYS[3], 'epoch', 'top', 'tag', 'period')
    TOP = tonumber(QUEUE[2])
    NEW = not (QUEUE[1] and TOP and QUEUE[3])
    if NEW then
      QUEUE[1], TOP, QUEUE[3] = ARGV[6], 0, ''
    end
  end
  TOP = TOP + 1
  local begin, offset, previous
  if e then
    begin, previous = sub(e, 1, EPOCH + 10), sub(e, TAG, TAG + 5)
    offset = format('%d', match(e, '^%d+', at) + 1)
  else
    begin, offset, previous = '3 ' .. ARGV[6] .. ' ', '1', ''
  end
  local entry = begin .. tag .. ' ' .. TIME .. ' ' .. hold .. ' ' .. offset .. ' ' .. previous
    .. ' ' .. QUEUE[1] .. ' ' .. format('%d', TOP) .. ' ' .. QUEUE[3] .. a .. b .. c .. d .. f
  -- The first write, and one that a full Redis refuses: after it the script runs to its end.
  local log = key .. ':log'
  local length = call('RPUSH', log, entry)
  if length > MOST then
    call('LTRIM', log, ARGV[2], -1)
  end
  if not e or length == 1 or find(e, PERIOD, SINCE, true) ~= SINCE then
    call('PEXPIRE', log, ARGV[3])
  end
  call('HSET', key, 'e', entry, ...)
  -- A job's channel is named as its record.
  call('SPUBLISH', key, entry)
  COUNT = COUNT + 1
  TOLD[COUNT], QUEUE[3] = entry, tag
  return entry
end

-- Appends to the queue's log what `emit` left, publishes it, puts jobs where `place` was told, wakes workers.
local function told()
  if not QUEUE then
    return
  end
  local count, length = COUNT, call('RPUSH', KEYS[2], unpack(TOLD))
  if NEW and length > count then
    -- What is left of another numbering.
    call('LTRIM', KEYS[2], -count, -1)
    length = count
  end
  if length > MOST then
    call('LTRIM', KEYS[2], ARGV[2], -1)
  end
  local top = format('%d', TOP)
  if NEW or length == count or QUEUE[4] ~= PERIOD then
    call('PEXPIRE', KEYS[2], ARGV[3])
    call('HSET', KEYS[3], 'epoch', QUEUE[1], 'top', top, 'tag', QUEUE[3], 'period', PERIOD)
    call('PEXPIRE', KEYS[3], ARGV[5])
  else
    call('HSET', KEYS[3], 'top', top, 'tag', QUEUE[3])
  end
  -- Where nobody hears the first, nobody hears the others: nothing comes between them.
  if call('SPUBLISH', KEYS[4], TOLD[1]) > 0 then
    for i = 2, count do
      call('SPUBLISH', KEYS[4], TOLD[i])
    end
  end
end
