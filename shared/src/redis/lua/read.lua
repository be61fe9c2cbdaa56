-- Reads a part of a log together with the position of its top and, for a job's topic, its record.
-- Creates the epoch of a topic that has none.
-- KEYS 1 log, 2 meta (a job's is its record), [3 job record]
-- ARGV 1 `now` | `newest` | `after`, 2 limit, 3 size, 4 keep ms (0: as it is), 5 epoch candidate,
--      6 epoch, 7 offset, 8 tag (`*`: not known)
-- Returns {epoch, offset of the top, its tag, '' | 'epoch' | 'fork' | 'trimmed', entry of the record or '', entries},
-- or nothing if there is no such job.
local epoch, top, tag, e
if KEYS[3] then
  e = redis.call('HGET', KEYS[3], 'e')
  if not e then
    return false
  end
  epoch, tag, top = string.match(e, '^3 (%w+) (%w+) %d+ %S+ (%d+) ')
  if not epoch then
    return redis.error_reply('ERR the record of a job is not one')
  end
else
  epoch, top, tag = top_of(KEYS[1], KEYS[2], ARGV[5])
end
if ARGV[4] ~= '0' then
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
local lost, entries = page(KEYS[1], epoch, top, tag, ARGV[1], ARGV[2], ARGV[3], { ARGV[6], ARGV[7], ARGV[8] }, e)
return { epoch, top, tag, lost, e and (ARGV[1] == 'now' or lost ~= '') and e or '', entries }
