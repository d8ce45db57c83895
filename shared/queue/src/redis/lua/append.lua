-- Appends a job.
-- ARGV: 1 class, 2 version, 3 body, 4 mac.
append(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
return 1
