-- Put before scripts that end attempts otherwise than by success.

-- The attempts of a job that are over, one JSON object a line, with the current one added; at most 20 and,
-- because errors can be long, 16 KiB.
local function history(key, v, outcome, message, time)
  local m = redis.call('HMGET', key, 'history', 'worker')
  local lines = (m[1] and m[1] .. '\n' or '') .. '{"attempt":' .. v.attempt .. ',"worker":' .. (m[2] or 'null')
    .. ',"started_at":' .. (v.started ~= '\19' and v.started or 'null') .. ',"ended_at":' .. time
    .. ',"outcome":"' .. outcome .. '","error":' .. (message or 'null') .. '}'
  local _, more = string.gsub(lines, '\n', '')
  while more >= 20 or (more > 0 and #lines > 16384) do
    lines, more = string.match(lines, '\n(.*)'), more - 1
  end
  return lines
end
