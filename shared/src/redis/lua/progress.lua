-- Stores and publishes progress reports of several jobs.
-- KEYS 1–4 as in job.lua
-- ARGV 1–6 as in topic.lua, then for each report (≤ 64) 1 token, 2 job record, 3 tag, 4 what it says: in shorthand if it has
--      percent and message, otherwise percent, message and typed progress, a line each; an empty one: as it was
-- Returns for each 1, or 0 if the lease is lost.
local answers = {}

-- What a job says now that said `before`.
local function said(before, report)
  local percent, message, progress = match(before, '^\6([^\7]*)\7([^\8]*)(.*)$')
  local new, words, further = match(report, '^([^\n]*)\n([^\n]*)\n(.*)$')
  return '\6' .. (new ~= '' and new or percent) .. '\7' .. (words ~= '' and words or message)
    .. (further ~= '' and '\8' .. further or progress)
end

local given, number = ARGV, 0
for i = 7, #ARGV, 4 do
  local token, key, report = given[i], given[i + 1], given[i + 3]
  local e = call('HGET', key, 'e')
  local held = holds(e, token)
  if held then
    -- What it says, and behind it.
    local from = find(e, '\6', HOLD, true)
    local to = find(e, '\11', from, true)
    if string.byte(report) ~= 6 then
      report = said(sub(e, from, to - 1), report)
    elseif not find(report, '\8', 1, true) then
      local at = find(e, '\8', from, true)
      report = at and report .. sub(e, at, to - 1) or report
    end
    emit(key, e, HOLD + 17, token, given[i + 2], sub(e, find(e, '\n', HOLD, true), from - 1), report,
      sub(e, to), '', '')
  end
  number = number + 1
  answers[number] = held and 1 or 0
end
told()
return answers
