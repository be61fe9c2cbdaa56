-- Put, after job.lua, before scripts that few jobs need: they take a job apart and put it together again. What most jobs
-- need cuts the entry where it must.

-- The parts of a job, or nothing if there is no such job. Of rubbish there is no state.
local function job(key)
  local e = call('HGET', key, 'e')
  if not e then
    return nil
  end
  local v = { e = e }
  v.hold, v.head, v.state, v.attempt, v.said, v.result, v.error, v.tail, v.started, v.finished, v.more = match(e,
    '^3 %w+ %w+ %d+ (%S+) [^\n]*(\n[^\4]*\4)(%l+)\5(%d+)([^\11]*)\11([^\12]*)\12([^\14\20]*)([^\17]*)\17([^\18]*)\18([%d\19]*)([^}]*)}$')
  return v
end

-- Tells what became of a job as `emit` does, from the parts of a job that `job` gave.
local function tell(key, v, hold, tag, ...)
  local at = find(v.e, ' ', HOLD, true) + 1
  local changing = '\5' .. v.attempt .. v.said .. '\11' .. v.result .. '\12' .. v.error
  v.e = emit(key, v.e, at, hold, tag, v.head, v.state, changing, v.tail .. '\17' .. v.started,
    '\18' .. v.finished .. v.more .. '}', ...)
  return v.e
end

