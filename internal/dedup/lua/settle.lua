-- Settle records what became of the call. ARGV[5]: d delivered or u unknown. ARGV[6]: content. ARGV[7]: scope. ARGV[8]:
-- history. ARGV[9]: reply.

local r = read()
if not r then return unreadable() end
if not mine(r, ARGV[5]) then return 'lost' end
r.state = ARGV[5] == 'd' and '3' or '4'
r.claim, r.deadline, r.cut, r.cutat = ARGV[5], '0', '0', '0'
r.content, r.scope, r.history, r.reply = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
write(r, 0)
return 'ok'
