-- Claim asks for one attempt. ARGV[5]: the time in µs after which the caller is gone, 0 for none. ARGV[6]: the lease in µs.
-- ARGV[7]: r where the call may be repeated, o where not. ARGV[8]: content. ARGV[9]: scope.
-- Answers {word, time, …}: late; busy, deadline; delivered, content, reply; unknown, content, history; mine or abandoned,
-- history, cut, cut at.

local now = clock()
-- A request that was on its way for so long must not leave a claim that nobody holds.
if ARGV[5] ~= '0' and now > tonumber(ARGV[5]) then return {'late', string.format('%.0f', now)} end
local time = string.format('%.0f', now)
local r = read()
if not r then return unreadable() end
local repeatable = ARGV[7] == 'r'

if held(r) and not (r.owner == ARGV[1] and r.token == ARGV[2]) then
  if now < tonumber(r.deadline) then return {'busy', time, r.deadline} end
  if r.state == '0' or r.state == '2' then
    if not repeatable then
      r.state = '1'
    elseif r.owner ~= ARGV[1] then -- its process cannot say any more that nothing ran
      r.state = '2'
      r.cut = string.format('%.0f', tonumber(r.cut) + 1)
      if r.cutat == '0' then r.cutat = time end
    end
  end
end

if r.state == '3' then return {'delivered', time, r.content, r.reply} end
if r.state == '4' then
  local version = string.sub(r.content, 1, 2)
  local conflict = r.content ~= '-' and string.sub(ARGV[8], 1, 2) == version and ARGV[8] ~= r.content
  if conflict or not repeatable then return {'unknown', time, r.content, r.history} end
end
if r.state == '1' and repeatable then -- the method was made repeatable since
  r.state = '2'
  r.cut = string.format('%.0f', tonumber(r.cut) + 1)
  if r.cutat == '0' then r.cutat = time end
end

r.claim, r.owner, r.token, r.scope = ARGV[7], ARGV[1], ARGV[2], ARGV[9]
r.deadline = string.format('%.0f', now + tonumber(ARGV[6]))
write(r, math.ceil(tonumber(ARGV[6]) / 1000))
return {r.state == '1' and 'abandoned' or 'mine', time, r.history, r.cut, r.cutat}
