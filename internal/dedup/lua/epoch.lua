-- Look at the epoch, and write it where it is missing. KEYS[1]: its key. ARGV[1]: the epoch that the caller knows, empty at its
-- start. ARGV[2]: a new one. Answers what is there now, and the server's time in µs.
--
-- The value is <epoch> first, reset or accepted. A caller that knew another epoch knows that the store was emptied, also where
-- a worker that started since could not know it. It is written each time: that shows whether the server takes writes.

local v = redis.call('GET', KEYS[1])
local t = redis.call('TIME')
if not v then
  v = ARGV[2] .. (ARGV[1] == '' and ' first' or ' reset')
else
  local epoch, how = string.match(v, '^(%x+) (%l+)$')
  if not epoch then return redis.error_reply('UNREADABLE the key ' .. KEYS[1] .. ' is not of this version of the ledger') end
  if ARGV[1] ~= '' and epoch ~= ARGV[1] and how == 'first' then v = epoch .. ' reset' end
end
redis.call('SET', KEYS[1], v)
return {v, string.format('%.0f', tonumber(t[1]) * 1000000 + tonumber(t[2]))}
