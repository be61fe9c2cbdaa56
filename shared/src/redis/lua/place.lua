-- Put, after job.lua and wake.lua, before scripts that put jobs into ZSETs. KEYS as in job.lua. As `told` does, `done`
-- does at once what was left to it.

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

-- After the script's last change of a job: puts jobs where `place` was told, wakes workers, and tells.
local function done()
  for set, list in pairs(PLACED) do
    call('ZADD', set, unpack(list))
  end
  if WOKEN > 0 then
    wake(WOKEN)
  end
  told()
end
