-- Stores and publishes progress reports of several jobs.
-- KEYS 1–4 as in job.lua
-- ARGV 1–6 as in topic.lua, then for each report (≤ 64) 1 token, 2 id, 3 tag, 4 percent, 5 message, 6 typed
--      progress; '': as it was
-- Returns for each 1, or 0 if the lease is lost.
local answers = {}

-- What a job says now that said `before`.
local function said(before, percent, message, progress)
  if before then
    -- Not to be found within the message: there its quotes would be escaped.
    local at = string.find(before, ',"progress":', 1, true)
    if at and progress == '' then
      progress = string.sub(before, at + 12)
    end
    if percent == '' or message == '' then
      local old, words = string.match(string.sub(before, 1, (at or 0) - 1), '^,"percent":([^,]*),"message":(.*)$')
      percent, message = percent ~= '' and percent or old, message ~= '' and message or words
    end
  end
  return ',"percent":' .. (percent ~= '' and percent or 'null') .. ',"message":' .. (message ~= '' and message or 'null')
    .. (progress ~= '' and ',"progress":' .. progress or '')
end

for i = 7, #ARGV, 6 do
  local key = KEYS[1] .. ARGV[i + 1]
  local v = running(key, ARGV[i])
  local held = v[HOLD] == ARGV[i]
  if held then
    v[SAID] = said(v[SAID], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5])
    emit(key, v, ARGV[i + 2], 'said', v[SAID])
  end
  answers[#answers + 1] = held and 1 or 0
end
told()
return answers
