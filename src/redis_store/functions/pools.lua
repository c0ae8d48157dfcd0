-- Pools, and which numbers they have. The functions of this file take the keys of a pool. In which
-- order they must be called, so that no number ever is in two pools: registry.lua.
--
-- What is not in `members` is no member, whatever its state says: a pool that is removed loses
-- `members`, `queue` and `sessions` at once, however many numbers it had, and the states of those
-- stay behind. A state that is told to another pool is told without national form and holder.
do

local function has_gone(flags, eligible_at, now) return is_draining(flags) and eligible_at <= now end

-- The state without what tells of a session; and with the national form or not.
local function head_of(state, formatted)
    local bytes = sub(state, 1, 58 + state:byte(58))
    if formatted then return bytes end
    return sub(bytes, 1, 57) .. '\0'
end

-- What a call changes, written at its end: one command for each key.
local function new_changes()
    return {states = {}, no_states = {}, waiting = {}, not_waiting = {}, joining = {}, leaving = {},
            sessions = {}, no_sessions = {}, past = {}}
end

local function put(words, name, value)
    words[#words + 1] = name
    words[#words + 1] = value
end

local function make_changes(keys, changes)
    write('ZREM', keys[2], changes.not_waiting)
    write('ZADD', keys[2], changes.waiting)
    write('HDEL', keys[3], changes.no_sessions)
    write('HSET', keys[3], changes.sessions)
    write('HDEL', keys[4], changes.no_states)
    write('HSET', keys[4], changes.states)
    write('ZREM', keys[5], changes.leaving)
    write('ZADD', keys[5], changes.joining)
    write('HSET', keys[6], changes.past)
end

-- The number leaves the pool. What was promised of it stays, and so does the way to its history.
local function take_out(changes, number, state)
    changes.leaving[#changes.leaving + 1] = number
    changes.not_waiting[#changes.not_waiting + 1] = number
    local flags, allocated_at, last_touch, expires_at, eligible_at, past_id, session, formatted,
          holder = unpack_state(state)
    if session == NOBODY then
        changes.no_states[#changes.no_states + 1] = number
        return
    end
    if not has_left(flags) then changes.no_sessions[#changes.no_sessions + 1] = session end
    put(changes.states, number,
        pack_state(flags - flags % LEFT, allocated_at, last_touch, expires_at, eligible_at, past_id,
                   session, formatted, holder))
end

-- rm1_put_pool definition lifetime cooldown max_hold version: creates the pool or changes it.
-- Error STALE with the version where a change that began later has been made already.
register('put_pool', function(keys, args)
    local meta = keys[1]
    local info = call('HMGET', meta, 'now', 'version')
    if (tonumber(info[2]) or 0) >= tonumber(args[5]) then return error_reply('STALE ' .. info[2]) end
    call('HSET', meta, 'definition', args[1], 'lifetime', args[2], 'cooldown', args[3], 'max_hold',
         args[4], 'version', args[5], 'now', digits_of(time_now(info[1])))
    call('HDEL', meta, 'removed')
    return 1
end)

-- rm1_get_pool: {definition, version, epoch, how many numbers}; {} where it has been removed, nil
-- where there never was one.
register('get_pool', function(keys)
    local info = call('HMGET', keys[1], 'definition', 'version', 'epoch', 'removed')
    if not info[1] then return false end
    if info[4] then return {} end
    return {info[1], tonumber(info[2]), tonumber(info[3]) or 0, call('ZCARD', keys[5])}
end, {'no-writes'})

-- rm1_remove_pool version: 1, or 0 where there is none (any more). Error STALE as above.
register('remove_pool', function(keys, args)
    local meta = keys[1]
    local info = call('HMGET', meta, 'now', 'version', 'removed')
    if not info[2] or info[3] then return 0 end
    if tonumber(info[2]) >= tonumber(args[1]) then return error_reply('STALE ' .. info[2]) end
    call('HSET', meta, 'removed', '1', 'version', args[1], 'now', digits_of(time_now(info[1])))
    call('HINCRBY', meta, 'epoch', 1)
    call('UNLINK', keys[2], keys[3], keys[5])
    return 1
end, {'allow-oom'})

-- A number comes into the pool. `other`: what another pool knows of it, or ''. `owners` has the
-- numbers of sessions.
local function join(keys, changes, number, formatted, sequence, state, other, owners)
    put(changes.joining, digits_of(sequence), number)
    local flags, allocated_at, last_touch, expires_at, eligible_at, past_id, session, _, holder =
        0, 0, 0, 0, 0, 0, NOBODY, '', ''
    if state then
        flags, allocated_at, last_touch, expires_at, eligible_at, past_id, session, _, holder =
            unpack_state(state)
        flags = flags - flags % LEFT
    end
    if other ~= '' then
        local _, _, touched, expires, eligible, _, other_session = unpack_state(other)
        if touched > last_touch then
            if allocated_at ~= 0 then  -- that was the last hold which this pool knows of
                local id = call('HINCRBY', keys[1], 'past_sequence', 1)
                put(changes.past, digits_of(id),
                    pack_past(changes.now, allocated_at, last_touch, expires_at, eligible_at, past_id,
                              is_erased(flags) and PAST_ERASED or 0, number, holder))
                past_id = id
            end
            flags, allocated_at, last_touch, expires_at = LEFT, 0, touched, expires
            session, holder = other_session, ''
        end
        eligible_at = max(eligible_at, eligible)
    end
    if allocated_at ~= 0 and not has_left(flags) then
        local owned = owners[session]
        if owned and owned ~= number then
            flags = flags + LEFT  -- it has another one by now
        else
            owners[session] = number
            put(changes.sessions, session, number)
        end
    end
    put(changes.states, number,
        pack_state(flags + MEMBER, allocated_at, last_touch, expires_at, eligible_at, past_id,
                   session, formatted, holder))
    put(changes.waiting,
        session == NOBODY and unused_score(sequence) or held_score(eligible_at), number)
end

-- rm1_edit epoch most_numbers count {number national_form other}... number...: adds `count` numbers,
-- of which `other` says what another pool knows, or is ''; and removes the others. {epoch now,
-- {added}, {removed at once}, {draining}}. Error EPOCH where the epoch is another one, FULL with
-- how many numbers there would be: then nothing has changed.
register('edit', function(keys, args)
    local meta = keys[1]
    local info = call('HMGET', meta, 'now', 'version', 'removed', 'epoch', 'sequence')
    if not info[2] or info[3] then return no_pool() end
    local epoch, sequence = tonumber(info[4]) or 0, tonumber(info[5]) or 0
    if epoch ~= tonumber(args[1]) then
        return error_reply('EPOCH the pool has been changed meanwhile')
    end
    local most, count = tonumber(args[2]), tonumber(args[3])
    local names, seen = {}, {}
    for i = 1, count do
        names[i] = args[3 * i + 1]
        seen[names[i]] = true
    end
    for i = 3 * count + 4, #args do
        if not seen[args[i]] then
            seen[args[i]] = true
            names[#names + 1] = args[i]
        end
    end
    local places = read_all('ZMSCORE', keys[5], names)
    local states = read_all('HMGET', keys[4], names)

    -- Which numbers the sessions have that come back.
    local coming_back, owners = {}, {}
    for i = 1, count do
        if not places[i] and states[i] then
            coming_back[#coming_back + 1] = sub(states[i], 42, 57)
        end
    end
    for i, number in ipairs(read_all('HMGET', keys[3], coming_back)) do
        owners[coming_back[i]] = number or nil
    end

    local added, removed, draining = {}, {}, {}
    local changes = new_changes()
    local now = time_now(info[1])
    changes.now = now
    for i, number in ipairs(names) do
        local state = states[i]
        if i <= count and not places[i] then
            if seen[number] ~= 'joins' then
                seen[number] = 'joins'
                sequence = sequence + 1
                join(keys, changes, number, args[3 * i + 2], sequence, state, args[3 * i + 3],
                     owners)
                added[#added + 1] = number
            end
        elseif places[i] then
            local flags, allocated_at, last_touch, expires_at, eligible_at, past_id, session,
                  formatted, holder = unpack_state(state)
            if i <= count and is_draining(flags) then
                put(changes.states, number,
                    pack_state(flags - DRAINING, allocated_at, last_touch, expires_at, eligible_at,
                               past_id, session, formatted, holder))
                put(changes.waiting, held_score(eligible_at), number)
                added[#added + 1] = number
            elseif i > count and not is_draining(flags) then
                if eligible_at <= now then
                    take_out(changes, number, state)
                    removed[#removed + 1] = number
                else
                    put(changes.states, number,
                        pack_state(flags + DRAINING, allocated_at, last_touch, expires_at,
                                   eligible_at, past_id, session, formatted, holder))
                    changes.not_waiting[#changes.not_waiting + 1] = number
                    draining[#draining + 1] = number
                end
            end
        end
    end

    local joining = #changes.joining / 2
    local size = call('ZCARD', keys[5]) + joining - #changes.leaving
    if joining > 0 and size > most then return error_reply('FULL ' .. digits_of(size)) end
    if #added + #removed + #draining > 0 then
        epoch = epoch + 1
        make_changes(keys, changes)
        call('HSET', meta, 'now', digits_of(now), 'epoch', digits_of(epoch), 'sequence',
             digits_of(sequence))
    end
    return {epoch, added, removed, draining}
end)

-- rm1_members from most: {where to go on, 0 where there are no more; now; then number and state of
-- each, without holder}. 0 begins. Numbers that have drained are left out.
register('members', function(keys, args)
    local info = call('HMGET', keys[1], 'now', 'version', 'removed')
    if not info[2] or info[3] then return no_pool() end
    local now, most = time_now(info[1]), tonumber(args[2])
    -- One more, to see whether there is.
    local found = call('ZRANGE', keys[5], '(' .. args[1], '+inf', 'BYSCORE', 'LIMIT', 0, most + 1,
                       'WITHSCORES')
    local count = min(#found / 2, most)
    local answer = {#found / 2 > most and tonumber(found[2 * count]) or 0, now}
    local names = {}
    for i = 1, count do names[i] = found[2 * i - 1] end
    for i, state in ipairs(read_all('HMGET', keys[4], names)) do
        local flags, _, _, _, eligible_at = read(STATE, state)
        if not has_gone(flags, eligible_at, now) then put(answer, names[i], head_of(state, true)) end
    end
    return answer
end, {'no-writes'})

-- rm1_sweep from most: goes through the numbers as rm1_members does, and takes out what has
-- drained. {where to go on, how many were taken out}.
register('sweep', function(keys, args)
    local info = call('HMGET', keys[1], 'now', 'version', 'removed')
    if not info[2] or info[3] then return no_pool() end
    local now = time_now(info[1])
    local found = call('ZRANGE', keys[5], '(' .. args[1], '+inf', 'BYSCORE', 'LIMIT', 0, args[2],
                       'WITHSCORES')
    local count = #found / 2
    local names = {}
    for i = 1, count do names[i] = found[2 * i - 1] end
    local changes = new_changes()
    for i, state in ipairs(read_all('HMGET', keys[4], names)) do
        local flags, _, _, _, eligible_at = read(STATE, state)
        if has_gone(flags, eligible_at, now) then take_out(changes, names[i], state) end
    end
    make_changes(keys, changes)
    call('HSET', keys[1], 'now', digits_of(now))
    return {count == tonumber(args[2]) and tonumber(found[#found]) or 0, #changes.leaving}
end, {'allow-oom'})

-- rm1_give_up gives number...: for each 'M' where it is a member, 'D' where it drains and its time
-- is not over; else what is known of it, or '-' where that is nothing. What has drained leaves the
-- pool now. Where `gives` is '1', all edits that have begun are void if any number is no member: so
-- that none of them adds what is given to another pool.
register('give_up', function(keys, args)
    local gives = table.remove(args, 1) == '1'
    local info = call('HMGET', keys[1], 'now', 'version')
    local now = time_now(info[1])
    local places = read_all('ZMSCORE', keys[5], args)
    local states = read_all('HMGET', keys[4], args)
    local changes = new_changes()
    local answer, any = {}, false
    for i, number in ipairs(args) do
        local state, word = states[i], '-'
        if state then
            local flags, _, _, _, eligible_at, _, session = read(STATE, state)
            if places[i] and has_gone(flags, eligible_at, now) then
                take_out(changes, number, state)
                places[i] = false
            end
            if places[i] then
                word = is_draining(flags) and 'D' or 'M'
            elseif session ~= NOBODY then
                word = head_of(state, false)
            end
        end
        any = any or not places[i]
        answer[i] = word
    end
    make_changes(keys, changes)
    if gives and any and info[2] then
        call('HINCRBY', keys[1], 'epoch', 1)
        call('HSET', keys[1], 'now', digits_of(now))
    end
    return answer
end, {'allow-oom'})

end
