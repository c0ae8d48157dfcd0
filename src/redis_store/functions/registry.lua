-- What all pools share. The functions of this file take the four keys of the registry
-- (RegistryKeys in pool_keys.hpp):
--
-- info: hash
--   format          of all data; see rm1_begin
--   secret          16 bytes, made once: the key of all session hashes
--   version         of the catalog: raised by each rm1_publish that has an effect
--   claims          counts claims; each is known by its count
--   live            how many pools there are
-- pools: hash from id to the version of the pool's definition, which is the count of the claim with
--   which that change began. Negative: the pool was removed then. Its history is kept all the same,
--   and so is its name.
-- numbers: hash from number to 'claim first others', with blanks in between.
--   claim           the count of the last claim
--   first           id of the only pool that may have the number, or be about to; NO_POOL = none
--   others          ids of pools that had it before, latest first, up to MAX_OTHERS of them
-- overflow: hash
--   n:<number>      how many pools have this overflow number, or are about to; and behind a blank
--                   the id of the one that has said so last
--   p:<id>          overflow numbers of the pool, as 'claim number' with blanks in between. More
--                   than one while its definition is being changed, or where that was given up.
--
-- No script sees the keys of two pools, which may be on different servers. So what keeps a number
-- out of two pools, and overflow numbers out of all, is the order in which things are done:
--
-- *Adding numbers to pool P*: 1. the epoch of P is read. 2. rm1_claim. What is another pool's can't
-- be claimed: 3. rm1_give_up of that pool, which raises its epoch unless it really has the number;
-- 4. rm1_take, with the claim that was told at 2. 5. rm1_edit with the epoch of 1. Where 4 or 5
-- finds that somebody was quicker, all begins again.
--   So an edit that adds to Q and has begun before 3 fails at its own 5, or had ended before 3. One
-- that begins after 3 has to claim for Q: before 4, and 4 fails; or after 4, and it has to ask P.
--   Whatever is left half done leaves a claim, and no number that anyone hands out. Claims are never
-- given back. The next pool that wants the number asks the one that has claimed it. What older
-- owners have promised is asked of all of them, as nobody knows whether later ones got so far.
-- *Changing pool P*: 1. rm1_claim_overflow. Where some pool has claimed the number: as above, but
-- taken for NO_POOL. 2. rm1_put_pool with the claim as version, which refuses older ones.
-- 3. rm1_publish, which forgets older claims. Removing is the same with rm1_remove_pool.
do

local NO_POOL = '*'  -- no pool's id
local IS_OVERFLOW = '*overflow'
local MAX_OTHERS = 63

-- claim, first, others (each with a blank before it)
local function unpack_claim(entry)
    local claim, first, others = entry:match('^(%d+) (%S+)(.*)$')
    return claim, first, others
end

-- The entry when `pool` comes first.
local function claimed_for(pool, claim, entry)
    local words = {claim, pool}
    if entry then
        local _, first, others = unpack_claim(entry)
        for id in (first .. others):gmatch('%S+') do
            if id ~= pool and id ~= NO_POOL and #words < MAX_OTHERS + 2 then
                words[#words + 1] = id
            end
        end
    end
    return concat(words, ' ')
end

local function next_claim(info) return digits_of(call('HINCRBY', info, 'claims', 1)) end

-- rm1_begin secret format: {format, secret} that count, which are those of the first who said.
register('begin', function(keys, args)
    call('HSETNX', keys[1], 'secret', args[1])
    call('HSETNX', keys[1], 'format', args[2])
    return call('HMGET', keys[1], 'format', 'secret')
end)

-- rm1_catalog known: {version} where that is `known`, else {version, id, version of the pool...}
-- with removed pools among them.
register('catalog', function(keys, args)
    local version = call('HGET', keys[1], 'version') or '0'
    if version == args[1] then return {version} end
    local answer = call('HGETALL', keys[2])
    table.insert(answer, 1, version)
    return answer
end, {'no-writes'})

-- rm1_claim pool number...: claims all of them, or none where one can't be. {1 or 0 that says
-- which, then number and entry as it was before for each that has anything to say: that has other
-- pools; or instead of the entry IS_OVERFLOW and the id of a pool}.
register('claim', function(keys, args)
    local pool = table.remove(args, 1)
    local names = {}
    for i, number in ipairs(args) do names[i] = 'n:' .. number end
    local entries = read_all('HMGET', keys[3], args)
    local overflows = read_all('HMGET', keys[4], names)
    local answer = {1}
    for i, number in ipairs(args) do
        local telling
        if overflows[i] then
            telling = IS_OVERFLOW .. overflows[i]:match(' .*$')
            answer[1] = 0
        end
        if not telling and entries[i] then
            local _, first, others = unpack_claim(entries[i])
            if (first ~= pool and first ~= NO_POOL) or others ~= '' then telling = entries[i] end
            if first ~= pool and first ~= NO_POOL then answer[1] = 0 end
        end
        if telling then
            answer[#answer + 1] = number
            answer[#answer + 1] = telling
        end
    end
    if answer[1] == 0 then return answer end
    local claim = next_claim(keys[1])
    local words = {}
    for i, number in ipairs(args) do
        words[2 * i - 1] = number
        words[2 * i] = claimed_for(pool, claim, entries[i])
    end
    write('HSET', keys[3], words)
    return answer
end)

-- rm1_take pool {number claim}...: those that nobody has claimed after that claim become the
-- pool's, or nobody's where it is NO_POOL. {the new claim, those that do not, and are not already}.
register('take', function(keys, args)
    local pool = args[1]
    local numbers = {}
    for i = 2, #args, 2 do numbers[#numbers + 1] = args[i] end
    local entries = read_all('HMGET', keys[3], numbers)
    local claim = next_claim(keys[1])
    local words, others = {}, {}
    for i, number in ipairs(numbers) do
        local before, first
        if entries[i] then before, first = unpack_claim(entries[i]) end
        if before == args[2 * i + 1] then
            words[#words + 1] = number
            words[#words + 1] = claimed_for(pool, claim, entries[i])
        elseif first ~= pool then
            others[#others + 1] = number
        end
    end
    write('HSET', keys[3], words)
    return {claim, others}
end)

-- So many more pools have the overflow number; `pool` is one of them.
local function count_overflow(key, number, change, pool)
    local field = 'n:' .. number
    local count, last = (call('HGET', key, field) or '0 '):match('^(%d+) (.*)$')
    count = tonumber(count) + change
    if count <= 0 then return call('HDEL', key, field) end
    call('HSET', key, field, digits_of(count) .. ' ' .. (pool or last))
end

-- Forgets the pool's claims of overflow numbers that are older than `version`, and adds one of
-- `number` where that is not ''.
local function change_overflow(key, pool, version, number)
    local field = 'p:' .. pool
    local kept = {}
    for claim, claimed in (call('HGET', key, field) or ''):gmatch('(%d+) (%d+)') do
        if claimed == number then
            kept[#kept + 1] = digits_of(version) .. ' ' .. number
            number = ''
        elseif tonumber(claim) >= version or number ~= '' then
            kept[#kept + 1] = claim .. ' ' .. claimed
        else
            count_overflow(key, claimed, -1)
        end
    end
    if number ~= '' then
        kept[#kept + 1] = digits_of(version) .. ' ' .. number
        count_overflow(key, number, 1, pool)
    end
    if #kept == 0 then return call('HDEL', key, field) end
    call('HSET', key, field, concat(kept, ' '))
end

-- rm1_claim_overflow pool number most_pools least: begins a change of the pool. Number '': it has no
-- overflow number, or is to be removed. {claim, ''}, or {0, entry} of the number where a pool has
-- claimed that. Error TOOMANY where there are `most_pools` others. (Who creates one at the same
-- time is not counted.) The claim is more than `least`: where this server has lost what it knew,
-- pools may have later versions.
register('claim_overflow', function(keys, args)
    local pool, number = args[1], args[2]
    local live = tonumber(call('HGET', keys[1], 'live')) or 0
    local version = tonumber(call('HGET', keys[2], pool)) or 0
    if version <= 0 and live >= tonumber(args[3]) then
        return error_reply('TOOMANY ' .. digits_of(live))
    end
    if number ~= '' then
        local entry = call('HGET', keys[3], number)
        if entry then
            local _, first = unpack_claim(entry)
            if first ~= NO_POOL then return {0, entry} end
        end
    end
    local claim = max(tonumber(call('HGET', keys[1], 'claims')) or 0, tonumber(args[4])) + 1
    call('HSET', keys[1], 'claims', digits_of(claim))
    if number ~= '' then change_overflow(keys[4], pool, claim, number) end
    return {claim, ''}
end)

-- rm1_overflow_claims pool: what `overflow` has of the pool; '' for nothing.
register('overflow_claims', function(keys, args)
    return call('HGET', keys[4], 'p:' .. args[1]) or ''
end, {'no-writes'})

-- rm1_publish pool version live channel: the pool has this version now, or has been removed where
-- `live` is not '1'. Whoever listens to the channel is told. 1 where the pool was not there before,
-- or not gone, else 0. Nothing happens where a later version was published.
register('publish', function(keys, args)
    local pool, version, live = args[1], tonumber(args[2]), args[3] == '1'
    local before = tonumber(call('HGET', keys[2], pool)) or 0
    if max(before, -before) >= version then return 0 end
    if not live and before == 0 then return 0 end
    call('HSET', keys[2], pool, digits_of(live and version or -version))
    change_overflow(keys[4], pool, live and version or version + 1, '')
    local changes = live ~= (before > 0)
    if changes then call('HINCRBY', keys[1], 'live', live and 1 or -1) end
    call('HINCRBY', keys[1], 'version', 1)
    call('PUBLISH', args[4], pool)
    return changes and 1 or 0
end)

-- rm1_pools_of number: its entry; nil where no pool ever claimed it.
register('pools_of', function(keys, args)
    return call('HGET', keys[3], args[1])
end, {'no-writes'})

end
