-- Put before the scripts that read a log.

-- The position of a log's top, as three texts. One without numbering gets `epoch`.
local function top_of(log, meta, epoch)
  local m = redis.call('HMGET', meta, 'epoch', 'top', 'tag')
  if m[1] and tonumber(m[2]) then
    return m[1], string.format('%d', tonumber(m[2])), m[3] or ''
  end
  redis.call('DEL', log)
  redis.call('HSET', meta, 'epoch', epoch, 'top', 0, 'tag', '')
  return epoch, '0', ''
end

-- A part of a log of at most `size` entries whose top is at (epoch, top, tag).
--   mode   `now` | `newest` | `after`
--   since  {epoch, offset, tag}, `*` for a tag that is not known
--   own    it is the log of one job
-- Returns '' | 'epoch' | 'fork' | 'trimmed', and the entries.
local function page(log, epoch, top, tag, mode, limit, size, since, own)
  limit, size, top = tonumber(limit), tonumber(size), tonumber(top)
  if mode == 'newest' and limit > 0 then
    return '', redis.call('LRANGE', log, -math.min(limit, size), -1)
  elseif mode ~= 'after' then
    return '', {}
  end
  local offset = tonumber(since[2])
  if since[1] ~= epoch then
    return 'epoch', {}
  elseif offset > top then
    return 'fork', {}
  elseif offset == top then
    return (since[3] == '*' or since[3] == tag) and '' or 'fork', {}
  elseif top - offset > size then
    return 'trimmed', {}
  end
  -- Counted from the end, where the top is; the entry itself must say that it is the next one.
  local from = offset - top
  local entries = redis.call('LRANGE', log, from, math.min(from + math.max(limit, 1), 0) - 1)
  local first, header = entries[1] or '', '^%d %l (%w+) (%d+) %w+ (%w*) '
  if string.sub(first, 1, 1) == '3' then
    header = own and '^3 (%w+) %w+ %d+ %S+ (%d+) (%w*) ' or '^3 %w+ %w+ %d+ %S+ %d+ %w* (%w+) (%d+) (%w*)\n'
  end
  local e, at, previous = string.match(first, header)
  if e ~= epoch or tonumber(at) ~= offset + 1 then
    return 'trimmed', {}
  elseif since[3] ~= '*' and since[3] ~= previous then
    return 'fork', {}
  end
  return '', limit > 0 and entries or {}
end
