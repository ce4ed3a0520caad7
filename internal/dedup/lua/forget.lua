-- Forget drops the id.

local r = read()
if not r then return unreadable() end
if not (r.known and mine(r, 'r')) then return 'lost' end
redis.call('DEL', KEYS[1])
return 'ok'
