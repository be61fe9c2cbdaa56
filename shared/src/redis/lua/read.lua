-- Reads a part of a log together with the position of its top and, for a job's topic, its record.
-- Creates the epoch of a topic that has none.
-- KEYS 1 log, 2 meta (a job's is its record), [3 job record]
-- ARGV 1 `now` | `newest` | `after`, 2 limit, 3 size, 4 keep ms (0: as it is), 5 epoch candidate,
--      6 epoch, 7 offset, 8 tag (`*`: not known)
-- Returns {epoch, offset of the top, its tag, '' | 'epoch' | 'fork' | 'trimmed', record or '', entries},
-- or nothing if there is no such job.
if KEYS[3] and redis.call('EXISTS', KEYS[3]) == 0 then
  return false
end
local epoch, top, tag = top_of(KEYS[1], KEYS[2], ARGV[5])
if ARGV[4] ~= '0' then
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
local lost, entries = page(KEYS[1], epoch, top, tag, ARGV[1], ARGV[2], ARGV[3], { ARGV[6], ARGV[7], ARGV[8] },
  KEYS[3])
local snapshot = ''
if KEYS[3] and (ARGV[1] == 'now' or lost ~= '') then
  snapshot = record(job(KEYS[3]))
end
return { epoch, top, tag, lost, snapshot, entries }
