-- Failed gives the claim back and keeps the history. ARGV[5]: scope. ARGV[6]: history. An id that is unknown stays so, and
-- one whose claim was found without a result too.

local r = read()
if not r then return unreadable() end
if not mine(r, 'f') then return 'lost' end
if r.state == '0' then r.state = '2' end
r.claim, r.deadline, r.cut, r.cutat, r.scope, r.history = 'f', '0', '0', '0', ARGV[5], ARGV[6]
write(r, 0)
return 'ok'
