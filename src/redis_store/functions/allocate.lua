-- Who gets which number: RingPool (ringpool/ring_pool.cpp) with its words, on the keys of a pool.
--
-- How it is quick: it gives one command for each key, however many rows there are, and it makes few
-- new strings, because Lua hashes all of each. So states are not unpacked and packed again, but put
-- together from pieces of old ones.
do

-- What has become of a row; its answer begins with that.
local NEW, NEW_EARLY, REFRESHED, CAPPED, EXHAUSTED = 'n', 'e', 'r', 'c', 'x'

-- Where pieces of a state begin, counted from 1; see STATE. Behind FORMATTED, a length, comes text.
local ALLOCATED_AT, LAST_TOUCH, PAST_ID, SESSION, FORMATTED = 2, 10, 34, 42, 58
-- In the place of the highest byte of a holder's first length, which is always less than that.
local KEEPS = 128
local TIMES = '<I8I8I8I8'  -- from ALLOCATED_AT on

-- The one byte that a number is.
local BYTE = {[0] = '\0', [PAST_ERASED] = '\128', [PAST_ERASED + CHANGED] = '\129'}
for i = 1, 31 do BYTE[i] = ('%c'):format(i) end

-- Behind the point of a score. Of one call, all touches after the thousandth share a place.
local PLACES = {}
for i = 0, 999 do PLACES[i] = ('.%03d'):format(i) end

-- To be used by one call after the other, for an array that grows costs time.
local owned, state_words, queue_words, session_words, past_words, lost, pieces =
    {}, {}, {}, {}, {}, {}, {}

-- The entry of `past` for what this state says. `rest`: where its holder begins.
local function past_entry(packed_now, state, flags, kind, digits, rest)
    if is_erased(flags) then kind = kind + PAST_ERASED end
    return packed_now .. sub(state, ALLOCATED_AT, SESSION - 1) .. BYTE[kind] .. pack('<I8', digits) ..
           sub(state, rest)
end

-- Takes out of `past` up to `most` of the oldest entries that are older than `before`, and returns
-- which is the oldest then. Ids and times rise together, so that one look tells of many.
local function forget_past(past, oldest, latest, before, most)
    local entry = call('HGET', past, digits_of(oldest))
    if entry and read('<I8', entry) >= before then return oldest end
    local count = min(most, latest - oldest + 1)
    while count > 1 do
        entry = call('HGET', past, digits_of(oldest + count - 1))
        if entry and read('<I8', entry) < before then break end
        count = floor(count / 2)
    end
    if count < 1 then return oldest end
    local ids = {}
    for i = 1, count do ids[i] = digits_of(oldest + i - 1) end
    write('HDEL', past, ids)
    return oldest + count
end

-- rm1_allocate history session... holder...: gives each session a number, one after the other.
-- `history` is how long entries of `past` are kept, in milliseconds. A holder whose fourth byte is
-- KEEPS is told of only where the session gets another number: of the one that it has, what was told
-- the last time stays in force. The answer is one string:
-- '<I8I8' version of the pool and `now`; then for each session one byte that says what has become
-- of it: n = a hold begins, e = the same, and the number was another session's until less than a
-- lifetime ago, r = the hold goes on and its clock starts anew, c = it goes on but max_hold is
-- reached, x = no number is eligible; and but for x, '<I8' expires_at, 'Bc0' number, 'Bc0' national
-- form.
register('allocate', function(keys, args)
    local meta, queue, sessions, numbers, past = keys[1], keys[2], keys[3], keys[4], keys[6]
    local pool = call('HMGET', meta, 'version', 'lifetime', 'cooldown', 'max_hold', 'now',
                      'removed', 'past_sequence', 'past_oldest')
    if not pool[1] then return no_pool() end
    if pool[6] then return error_reply('REMOVED the pool has been removed') end
    local lifetime, cooldown, max_hold = tonumber(pool[2]), tonumber(pool[3]), tonumber(pool[4])
    local now = time_now(pool[5])
    local past_id = tonumber(pool[7]) or 0

    -- Of whoever is touched now, unless he was promised more under other rules.
    local fresh_expiry, fresh_eligible = now + lifetime, now + lifetime + cooldown
    local fresh_times = pack('<I8I8I8', now, fresh_expiry, fresh_eligible)
    local packed_now = sub(fresh_times, 1, 8)
    local score = held_score(fresh_eligible)

    -- What the sessions had, for all rows at once. `next_owned` counts rows that had anything.
    local rows = (#args - 1) / 2
    local owners = call('HMGET', sessions, unpack(args, 2, rows + 1))
    local count, next_owned = 0, 0
    for i = 1, rows do
        if owners[i] then
            count = count + 1
            owned[count] = owners[i]
        end
    end
    local owned_states = read_all('HMGET', numbers, owned, count)

    -- What this call has changed so far, for rows to come.
    local moved = {}    -- number by session
    local current = {}  -- state by number

    -- Numbers that were eligible at the beginning of the call, first come first.
    local candidates, candidate_states, next_candidate, fetched, more = nil, nil, 1, 0, true
    local wanted = max(rows - count, 1)  -- at a time

    local state_count, queue_count, session_count, past_count, lost_count = 0, 0, 0, 0, 0
    local answer_of = {}  -- by outcome: how the answer begins where expires_at is fresh_expiry
    pieces[1] = pack('<I8I8', pool[1], now)
    local piece_count = 1

    for i = 1, rows do
        local session, holder = args[1 + i], args[1 + rows + i]
        local keeps = byte(holder, 4) == KEEPS
        if keeps then holder = sub(holder, 1, 3) .. '\0' .. sub(holder, 5) end
        local digits, state, flags, allocated_at, expires_at, eligible_at, rest, _
        local outcome, before  -- the kind of the entry of `past` that is to be made

        local own = owners[i]
        if own then
            next_owned = next_owned + 1
            state = owned_states[next_owned]
        end
        own = moved[session] or own
        if own then state = current[own] or state end
        if own and state and sub(state, SESSION, FORMATTED - 1) == session then
            flags = byte(state)
            allocated_at, _, expires_at, eligible_at = read(TIMES, state, ALLOCATED_AT)
            rest = FORMATTED + 1 + byte(state, FORMATTED)
            local draining = is_draining(flags)
            if now < expires_at then
                local limit = max_hold
                if draining and limit == 0 then limit = lifetime end
                outcome = REFRESHED
                if limit ~= 0 and now - allocated_at >= limit then outcome = CAPPED end
                if not keeps and
                        (find(state, holder, rest, true) ~= rest or #state - rest + 1 ~= #holder)
                then
                    before = CHANGED
                end
                digits = own
            elseif not draining and (max_hold == 0 or expires_at - allocated_at < max_hold) then
                outcome, before = NEW, 0
                digits = own
            end
        else
            own = false  -- none, or one that an earlier row, or another pool, has had meanwhile
        end

        if not digits then
            local left, left_flags = state, flags
            repeat
                if not candidates or next_candidate > #candidates and more then
                    candidates = call('ZRANGE', queue, '-inf', eligible_until(now), 'BYSCORE',
                                      'LIMIT', fetched, wanted)
                    candidate_states = read_all('HMGET', numbers, candidates)
                    next_candidate, fetched, more = 1, fetched + #candidates, #candidates == wanted
                end
                digits = candidates[next_candidate]
                if not digits then break end
                state = current[digits] or candidate_states[next_candidate]
                next_candidate = next_candidate + 1
                flags = byte(state)
                allocated_at, _, expires_at, eligible_at = read(TIMES, state, ALLOCATED_AT)
            until eligible_at <= now  -- else touched by an earlier row
            if digits then
                rest = FORMATTED + 1 + byte(state, FORMATTED)
                outcome = NEW
                local former = sub(state, SESSION, FORMATTED - 1)
                if former ~= NOBODY and former ~= session then
                    if now - eligible_at < lifetime then outcome = NEW_EARLY end
                    if not has_left(flags) then
                        lost_count = lost_count + 1
                        lost[lost_count] = former
                    end
                end
                if allocated_at ~= 0 then before = 0 end
                if own ~= digits then
                    if own then
                        left = BYTE[left_flags + LEFT] .. sub(left, 2)
                        current[own] = left
                        state_words[state_count + 1], state_words[state_count + 2] = own, left
                        state_count = state_count + 2
                    end
                    moved[session] = digits
                    session_words[session_count + 1] = session
                    session_words[session_count + 2] = digits
                    session_count = session_count + 2
                end
            end
        end

        if not digits then
            piece_count = piece_count + 1
            pieces[piece_count] = EXHAUSTED
        else
            local begins = outcome == NEW or outcome == NEW_EARLY
            local national = sub(state, FORMATTED, rest - 1)
            local times = fresh_times
            if outcome == CAPPED then
                times = sub(state, LAST_TOUCH, PAST_ID - 1)
            else
                local kept = eligible_at > fresh_eligible
                if kept or expires_at > fresh_expiry then
                    expires_at = max(expires_at, fresh_expiry)
                    eligible_at = max(eligible_at, fresh_eligible)
                    times = pack('<I8I8I8', now, expires_at, eligible_at)
                else
                    expires_at = fresh_expiry
                end
                if not kept and not is_draining(flags) then
                    queue_words[queue_count + 1] = score .. PLACES[min(queue_count / 2, 999)]
                    queue_words[queue_count + 2] = digits
                    queue_count = queue_count + 2
                end
            end

            local past_bytes
            if before then
                past_id = past_id + 1
                past_words[past_count + 1] = digits_of(past_id)
                past_words[past_count + 2] =
                    past_entry(packed_now, state, flags, before, digits, rest)
                past_count = past_count + 2
                past_bytes = pack('<I8', past_id)
            end
            if begins then
                state = BYTE[MEMBER] .. packed_now .. times ..
                        (past_bytes or sub(state, PAST_ID, SESSION - 1)) .. session .. national ..
                        holder
            elseif before then
                state = BYTE[flags % ERASED] .. sub(state, ALLOCATED_AT, LAST_TOUCH - 1) .. times ..
                        past_bytes .. session .. national .. holder
            elseif outcome == REFRESHED then
                state = sub(state, 1, LAST_TOUCH - 1) .. times .. sub(state, PAST_ID)
            end
            if outcome ~= CAPPED or before then
                current[digits] = state
                state_words[state_count + 1], state_words[state_count + 2] = digits, state
                state_count = state_count + 2
            end

            local head = answer_of[outcome]
            if expires_at ~= fresh_expiry then
                head = outcome .. pack('<I8', expires_at)
            elseif not head then
                head = outcome .. sub(fresh_times, 9, 16)
                answer_of[outcome] = head
            end
            pieces[piece_count + 1], pieces[piece_count + 2] = head, BYTE[#digits]
            pieces[piece_count + 3], pieces[piece_count + 4] = digits, national
            piece_count = piece_count + 4
        end
    end

    if state_count > 0 then
        write('HSET', numbers, state_words, state_count)
        write('ZADD', queue, queue_words, queue_count)
        write('HDEL', sessions, lost, lost_count)  -- some of whom a later row gave another one
        write('HSET', sessions, session_words, session_count)
        if past_count > 0 then
            write('HSET', past, past_words, past_count)
            local oldest = forget_past(past, tonumber(pool[8]) or 1, past_id,
                                       now - tonumber(args[1]), past_count)
            call('HSET', meta, 'now', digits_of(now), 'past_sequence', digits_of(past_id),
                 'past_oldest', digits_of(oldest))
        else
            call('HSET', meta, 'now', digits_of(now))
        end
    end
    return concat(pieces, '', 1, piece_count)
end)

-- rm1_release number session: the session gives it back. 1, or 0 where it does not hold it now.
-- Works where memory is full, because it only overwrites.
register('release', function(keys, args)
    local meta, queue, sessions, numbers = keys[1], keys[2], keys[3], keys[4]
    local digits, session = args[1], args[2]
    local pool = call('HMGET', meta, 'cooldown', 'now', 'removed')
    if not pool[1] or pool[3] or call('HGET', sessions, session) ~= digits then return 0 end
    local now = time_now(pool[2])
    local flags, allocated_at, last_touch, expires_at, eligible_at, past_id, former, formatted,
          holder = unpack_state(call('HGET', numbers, digits))
    if former ~= session or now >= expires_at then return 0 end
    eligible_at = now + tonumber(pool[1])
    call('HSET', numbers, digits, pack_state(flags, allocated_at, last_touch, now, eligible_at,
                                             past_id, session, formatted, holder))
    if not is_draining(flags) then call('ZADD', queue, held_score(eligible_at), digits) end
    call('HSET', meta, 'now', digits_of(now))
    return 1
end, {'allow-oom'})

end
