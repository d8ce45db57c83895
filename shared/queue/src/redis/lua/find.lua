-- Looks for a job among the shard's entries: delayed, or in one stream from an entry on.
-- ARGV: 1 job id, 2 which stream (1 normal, 2 high), 3 from which entry id on, 4 up to which, 5 how many entries at most.
-- Returns its form and body, if it is found; else the id of the last entry that was compared, nothing where no more follow.
local packed = redis.call('HGET', KEYS[4], ARGV[1])
if packed then
  local is_ours, job = pcall(cmsgpack.unpack, packed)
  if is_ours and type(job) == 'table' and #job == 5 then
    return {job[2], job[3]}
  end
end
-- Where the body begins with it, it is the job's own: what a job brings along may have members of that name as well.
local own = '{"jobId":"' .. ARGV[1] .. '"'
local entries = redis.call('XRANGE', KEYS[tonumber(ARGV[2])], ARGV[3], ARGV[4], 'COUNT', ARGV[5])
for _, entry in ipairs(entries) do
  local version, body
  for f = 1, #entry[2] - 1, 2 do
    if entry[2][f] == 'v' then
      version = entry[2][f + 1]
    elseif entry[2][f] == 'body' then
      body = entry[2][f + 1]
    end
  end
  if version and body and string.sub(body, 1, #own) == own then
    return {version, body}
  end
end
if #entries == tonumber(ARGV[5]) then
  return entries[#entries][1]
end
return false
