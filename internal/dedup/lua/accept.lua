-- An operator takes the loss of the store. KEYS[1]: the key of the epoch. Answers what the epoch was before.

local v = redis.call('GET', KEYS[1])
if not v then return 'missing' end
local epoch, how = string.match(v, '^(%x+) (%l+)$')
if not epoch then return redis.error_reply('UNREADABLE the key ' .. KEYS[1] .. ' is not of this version of the ledger') end
if how == 'reset' then redis.call('SET', KEYS[1], epoch .. ' accepted') end
return how
