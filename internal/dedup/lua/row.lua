-- One id is one key, and its value one text, so that a script reads it once and writes it at most once, as its last step:
-- a script that fails has changed nothing.
--
--   1 <state> <claim> <owner> <token> <deadline> <cut> <cut at> <content>\n<scope>\n<history>\n<reply>
--
-- state: 0 nothing is known, 1 a claim that must not be repeated ended without a result, 2 released, 3 delivered, 4 unknown.
-- claim: r held for a call that may be repeated, o for one that must not; n never claimed; else how the last claim ended,
-- which the holder may say again with its token: d delivered, u unknown, f failed, l released.
-- deadline, cut at: Unix time in µs by the clock of this server. cut: claims of a process that is gone, which ran out.
--
-- KEYS[1]: the row. ARGV[1]: owner, ARGV[2]: token, ARGV[3]: the time in µs, empty for that of this server, ARGV[4]: the
-- retention in ms.

local function clock()
  if ARGV[3] ~= '' then return tonumber(ARGV[3]) end
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end

-- read is the row; known says that there is one. Nil where it cannot be read.
local function read()
  local v = redis.call('GET', KEYS[1])
  if not v then
    return {known = false, state = '0', claim = 'n', owner = '0', token = '0', deadline = '0', cut = '0', cutat = '0',
      content = '-', scope = '', history = '', reply = ''}
  end
  local r = {known = true}
  r.state, r.claim, r.owner, r.token, r.deadline, r.cut, r.cutat, r.content, r.scope, r.history, r.reply = string.match(v,
    '^1 ([0-4]) (%l) (%x+) (%d+) (%d+) (%d+) (%d+) (%S+)\n([^\n]*)\n([^\n]*)\n(.*)$')
  if not r.state then return nil end
  return r
end

local function unreadable()
  return redis.error_reply('UNREADABLE the row ' .. KEYS[1] .. ' is not of this version of the ledger')
end

-- write stores the row. What says that a call must not be repeated stays until a result ends it; all else is forgotten after
-- the retention, and after lease ms more where it is held.
local function write(r, lease)
  local v = '1 ' .. r.state .. ' ' .. r.claim .. ' ' .. r.owner .. ' ' .. r.token .. ' ' .. r.deadline .. ' ' .. r.cut .. ' ' ..
    r.cutat .. ' ' .. r.content .. '\n' .. r.scope .. '\n' .. r.history .. '\n' .. r.reply
  if r.state == '1' or r.claim == 'o' then
    redis.call('SET', KEYS[1], v)
  else
    redis.call('SET', KEYS[1], v, 'PX', string.format('%.0f', tonumber(ARGV[4]) + lease))
  end
end

-- held says that somebody may still bring a result.
local function held(r) return r.claim == 'r' or r.claim == 'o' end

-- mine says that the token is that of the last claim, and that it is held, or has ended as this call wants it to end: the
-- answer to the first call was lost.
local function mine(r, ended)
  return r.owner == ARGV[1] and r.token == ARGV[2] and (held(r) or r.claim == ended)
end
