-- Release gives the claim back and leaves everything as it was before. Where nothing was, nothing says who released it: a
-- second Release is answered lost.

local r = read()
if not r then return unreadable() end
if not mine(r, 'l') then return 'lost' end
if r.state == '0' then
  redis.call('DEL', KEYS[1])
  return 'ok'
end
r.claim, r.deadline = 'l', '0'
write(r, 0)
return 'ok'
