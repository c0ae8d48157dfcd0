"use strict";
(() => {
    const keptMs = 300000;     // of snapshots, one a second
    const leastMs = 60000;     // of the time that plots show
    const gapMs = 3500;        // between two of them: the line is broken
    const staleMs = 4000;      // without a snapshot: what is shown is old
    const retryMs = 5000;      // where the browser does not connect anew by itself
    const most = 12;           // gates, and pools with advice, that are shown where all is well
    const history = [];        // {at, rates: [...], latency: [...]}; null values are not drawn

    const byId = id => document.getElementById(id);
    const make = (name, className) => {
        const element = document.createElement(name);
        if (className) element.className = className;
        return element;
    };

    // ---- what figures look like ----
    const known = value => value !== null && value !== undefined;
    const digits = value => value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1).replace(/\.0$/, "")
        : value.toFixed(2).replace(/\.?0+$/, "");
    function count(value) {
        if (!known(value)) return "–";
        for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e4]]) {
            if (value >= size) return digits(value / (unit === "k" ? 1e3 : size)) + " " + unit;
        }
        return Number.isInteger(value) || value >= 1000 ? value.toLocaleString("en", {maximumFractionDigits: 0})
            : digits(value);
    }
    function seconds(value) {
        if (!known(value)) return "–";
        if (value >= 1) return digits(value) + " s";
        return value >= 1e-3 ? digits(value * 1e3) + " ms" : digits(value * 1e6) + " µs";
    }
    function span(value) {
        if (!known(value)) return "–";
        const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
        const first = parts.findIndex(([, size]) => value >= size);
        if (first < 0) return "0 s";
        const [unit, size] = parts[first];
        const rest = first < 2 ? " " + Math.floor(value % size / parts[first + 1][1]) + " " + parts[first + 1][0] : "";
        return Math.floor(value / size) + " " + unit + rest;
    }
    const bytes = value => !known(value) ? "–" : value >= 2 ** 30 ? digits(value / 2 ** 30) + " GiB"
        : digits(value / 2 ** 20) + " MiB";
    const percent = value => !known(value) ? "–" : (value > 0 && value < 0.01 ? "<1" : (100 * value).toFixed(0)) + " %";

    const share = value => value > 0 && value < 1e-4 ? "<0.01 %" : digits(100 * value) + " %";

    // `raw` is the figure as it came, for those who read the page by program.
    function show(element, text, raw) {
        if (typeof element === "string") element = byId(element);
        if (element.textContent !== text) element.textContent = text;
        if (raw !== undefined) element.dataset.value = known(raw) ? raw : "";
    }

    // ---- tables: a row for each key, which stays the same element ----
    function fill(id, rows) {
        const table = byId(id);
        const body = table.tBodies[0];
        const old = new Map([...body.rows].map(row => [row.dataset.key, row]));
        const heads = table.tHead.rows[0].cells;
        rows.forEach(({key, cells, warn}, i) => {
            let row = old.get(key);
            if (row) {
                old.delete(key);
            } else {
                row = make("tr");
                row.dataset.key = key;
                for (const head of heads) row.append(make("td", head.className));
            }
            if (body.rows[i] !== row) body.insertBefore(row, body.rows[i] || null);
            row.classList.toggle("warn", Boolean(warn));
            cells.forEach((cell, column) => {
                const place = row.cells[column];
                if (typeof cell === "function") cell(place);
                else if (Array.isArray(cell)) show(place, cell[0], cell[1]);
                else show(place, cell);
            });
        });
        for (const row of old.values()) row.remove();
    }
    const pill = (text, kind) => cell => {
        if (!cell.firstChild) cell.append(make("span"));
        cell.firstChild.className = "pill " + kind;
        show(cell.firstChild, text);
    };
    const bar = pool => cell => {
        if (!cell.firstChild) {
            const stack = make("div", "stack");
            stack.append(make("i", "held"), make("i", "cooling"));
            cell.append(stack);
        }
        const all = pool.held + pool.cooling + pool.free;
        const [held, cooling] = cell.firstChild.children;
        held.style.width = (all ? 100 * pool.held / all : 0) + "%";
        cooling.style.width = (all ? 100 * pool.cooling / all : 0) + "%";
        cell.firstChild.title = `${pool.held} held, ${pool.cooling} cooling, ${pool.free} free`;
    };

    // ---- plots ----
    const plots = {
        rates: {format: count, zero: true, series: [["numbers", "--one"], ["requests", "--two"], ["overflows", "--four"]]},
        latency: {format: seconds, zero: false, series: [["p50", "--one"], ["p90", "--two"], ["p99", "--three"], ["p99.9", "--four"]]},
    };
    for (const [id, plot] of Object.entries(plots)) {
        plot.labels = plot.series.map(([name, colour]) => {
            const item = make("li");
            item.style.setProperty("--colour", `var(${colour})`);
            const value = make("b");
            item.append(name + " ", value);
            byId(id + "_legend").append(item);
            return value;
        });
    }
    // 1, 2 or 5 times a power of ten, so that there are about `lines` lines.
    function step(range, lines) {
        const rough = range / lines;
        const power = 10 ** Math.floor(Math.log10(rough));
        return [1, 2, 5, 10].map(n => n * power).find(n => n >= rough);
    }
    // Rates from 0 on; latencies on a logarithmic scale, for the last is often a hundred times the first.
    function scale(plot, values) {
        if (plot.zero) {
            const top = Math.max(1, ...values);
            const by = step(top, 4);
            const end = Math.ceil(top / by) * by;
            const ticks = [];
            for (let tick = 0; tick <= end + by / 2; tick += by) ticks.push(tick);
            return {ticks, part: value => value / end};
        }
        if (values.length === 0) values = [1e-5, 1e-2];
        const low = Math.floor(Math.log10(Math.max(1e-6, Math.min(...values))));
        const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
        const ticks = [];
        for (let power = low; power <= high; ++power) ticks.push(10 ** power);
        return {ticks, part: value => (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low)};
    }
    function draw(id) {
        const plot = plots[id];
        const canvas = byId(id);
        const ratio = window.devicePixelRatio || 1;
        const width = canvas.clientWidth, height = canvas.clientHeight;
        if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
        if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
        const pen = canvas.getContext("2d");
        const style = getComputedStyle(document.documentElement);
        const colour = name => style.getPropertyValue(name).trim();
        pen.setTransform(ratio, 0, 0, ratio, 0, 0);
        pen.clearRect(0, 0, width, height);
        pen.font = "11px system-ui, sans-serif";
        const left = 52, right = width - 4, top = 8, bottom = height - 18;
        const now = history.length ? history.at(-1).at : 0;
        const shown = Math.min(keptMs, Math.max(leastMs, history.length ? now - history[0].at : 0));
        const x = at => right - (right - left) * (now - at) / shown;
        canvas.dataset.points = history.length;
        const {ticks, part} = scale(plot, history.flatMap(entry => entry[id]).filter(known));
        const y = value => bottom - (bottom - top) * part(value);

        pen.strokeStyle = colour("--line");
        pen.fillStyle = colour("--quiet");
        pen.lineWidth = 1;
        pen.textAlign = "right";
        pen.textBaseline = "middle";
        for (const tick of ticks) {
            const level = Math.round(y(tick)) + 0.5;
            pen.beginPath();
            pen.moveTo(left, level);
            pen.lineTo(right, level);
            pen.stroke();
            pen.fillText(plot.format(tick), left - 6, level);
        }
        pen.textBaseline = "alphabetic";
        const every = shown <= 2 * leastMs ? 15000 : 60000;
        for (let ago = 0; ago <= shown; ago += every) {
            const text = ago === 0 ? "now" : every < 60000 ? `−${ago / 1000} s` : `−${ago / 60000} min`;
            pen.textAlign = ago === 0 ? "right" : x(now - ago) < left + 20 ? "left" : "center";
            pen.fillText(text, x(now - ago), height - 4);
        }

        pen.lineWidth = 1.6;
        pen.lineJoin = "round";
        plot.series.forEach(([, name], i) => {
            pen.strokeStyle = pen.fillStyle = colour(name);
            pen.beginPath();
            let last = null;
            for (const entry of history) {
                const value = entry[id][i];
                if (!known(value)) continue;
                if (last !== null && entry.at - last <= gapMs) pen.lineTo(x(entry.at), y(value));
                else pen.moveTo(x(entry.at), y(value));
                last = entry.at;
            }
            pen.stroke();
            const end = history.at(-1);
            if (end && known(end[id][i])) {
                pen.beginPath();
                pen.arc(x(end.at) - 2, y(end[id][i]), 2.2, 0, 7);
                pen.fill();
            }
        });
    }
    function drawAll() {
        draw("rates");
        draw("latency");
    }

    // ---- a snapshot ----
    const total = parts => Object.values(parts).some(known)
        ? Object.values(parts).reduce((sum, part) => sum + (part || 0), 0) : null;
    const usage = pool => {
        const all = pool.held + pool.cooling + pool.free;
        return all ? (pool.held + pool.cooling) / all : 0;
    };
    const isFull = pool => usage(pool) >= 0.9;
    const isRest = pool => pool.pool === "(others)";

    function showTiles(s) {
        const overflows = total(s.overflows_per_s);
        const latency = s.latency.numbers || {};
        show("numbers_per_s", count(s.numbers_per_s), s.numbers_per_s);
        show("numbers_total", count(s.numbers_total) + " so far", s.numbers_total);
        show("requests_per_s", count(s.requests_per_s), s.requests_per_s);
        show("requests_total", count(s.requests_total) + " so far", s.requests_total);
        show("p99", seconds(latency.p99), latency.p99);
        show("p50", known(latency.p50) ? "half within " + seconds(latency.p50) : "nobody asks for numbers", latency.p50);
        show("overflows_per_s", count(overflows), overflows);
        const errors = (s.errors_per_s || 0) + (s.shed_per_s || 0);
        show("errors", errors > 0 ? count(errors) + " errors/s" : "no errors", errors);
        show("connections", count(s.connections), s.connections);
        show("streams", count(s.streams) + (s.streams === 1 ? " stream, " : " streams, ") + s.in_flight + " in work", s.streams);
        show("lag", seconds(s.loop_lag.p99), s.loop_lag.p99);
        byId("store").title = s.store.problem || "";
        show("store", s.store.ready ? (s.store.kind === "redis" ? "Redis is ready" : "store is ready")
            : s.store.problem || "not ready", s.store.ready);
        byId("overflows_per_s").closest(".tile").classList.toggle("warn", overflows > 0);
        return overflows;
    }
    function showPools(s) {
        const order = pool => (isRest(pool) ? 2 : isFull(pool) ? 0 : 1);
        const pools = [...s.pools].sort((a, b) => order(a) - order(b) || (a.pool < b.pool ? -1 : 1));
        fill("pools", pools.map(pool => ({
            key: pool.pool,
            warn: isFull(pool),
            cells: [pool.pool, bar(pool), [percent(usage(pool)), usage(pool)],
                    [count(pool.held + pool.cooling + pool.free), pool.held + pool.cooling + pool.free],
                    [count(pool.cooling), pool.cooling], [count(pool.draining), pool.draining],
                    [count(pool.numbers_per_s), pool.numbers_per_s],
                    [count(pool.overflows_per_s), pool.overflows_per_s]],
        })));
        const full = pools.filter(isFull).length;
        show("pools_note", (pools.length === 0 ? "none" : full ? `${full} with less than a tenth free` : "")
            + (s.pools_left_out ? ` ${s.pools_left_out} pools are told together` : ""));
    }
    // What is most urgent comes first; of pools that are not measured yet there is nothing to show.
    function adviceOf({advice}) {
        if (!advice) return {order: 4};
        if (advice.missing > 0) return {order: 0, text: "buy " + count(advice.missing), kind: "bad"};
        if (known(advice.overflow_in_hours)) {
            const hours = Math.round(advice.overflow_in_hours);
            return {order: 1, text: "short in " + (hours < 48 ? hours + " h" : Math.round(hours / 24) + " d"), kind: "wait"};
        }
        if (advice.spare > 0) return {order: 2, text: count(advice.spare) + " can go", kind: "quiet"};
        return {order: 3, text: "fine", kind: "good"};
    }
    function showAdvice(s) {
        byId("advice_part").hidden = s.store.kind === "redis";  // one daemon does not know what others measure
        const pools = s.pools.filter(pool => !isRest(pool)).map(pool => ({...pool, ...adviceOf(pool)}));
        const measured = pools.filter(pool => pool.advice);
        const shown = measured.length <= most ? measured : measured.filter(pool => pool.order < 3);
        shown.sort((a, b) => a.order - b.order || b.advice.blocking - a.advice.blocking || (a.pool < b.pool ? -1 : 1));
        byId("advice").hidden = shown.length === 0;
        fill("advice", shown.map(({pool, held, cooling, free, advice, text, kind}) => ({
            key: pool,
            cells: [pool, [digits(advice.offered_erlangs), advice.offered_erlangs],
                    [share(advice.blocking), advice.blocking], [count(held + cooling + free), held + cooling + free],
                    ...["0.01", "0.001"].map(part => [count(advice.numbers_for[part]), advice.numbers_for[part]]),
                    pill(text, kind)],
        })));
        const texts = ["too small", "soon too small", "larger than needed", "fine", "not measured for long enough yet"];
        show("advice_note", texts.map((text, order) => [pools.filter(pool => pool.order === order).length, text])
            .filter(([number]) => number > 0).map(([number, text]) => `${number} ${text}`).join(", ") || "none");
    }
    function showShards(s) {
        fill("shards", s.shards.map(shard => ({
            key: String(shard.shard),
            cells: [String(shard.shard),
                    !shard.up ? pill("down", "bad") : shard.ready ? pill("up", "good") : pill("not ready", "wait"),
                    shard.pid ? String(shard.pid) : "–", [span(shard.uptime_s), shard.uptime_s],
                    [count(shard.restarts), shard.restarts], [count(shard.connections), shard.connections],
                    [count(shard.requests_per_s), shard.requests_per_s],
                    [count(shard.numbers_per_s), shard.numbers_per_s], [seconds(shard.p99), shard.p99],
                    [seconds(shard.lag_p99), shard.lag_p99], [percent(shard.cpu), shard.cpu],
                    [bytes(shard.memory_bytes), shard.memory_bytes]],
        })));
        const down = s.shards.filter(shard => !shard.up).length;
        show("shards_note", down ? `${down} of ${s.shards.length} down` : "");
    }
    function showRest(s) {
        const kinds = {healthy: "good", refusing: "bad", probing: "wait", easing_in: "wait"};
        const closed = s.gates.filter(gate => gate.state !== "healthy");
        const gates = s.gates.length <= most ? s.gates : closed;
        fill("gates", gates.map(gate => ({
            key: gate.shard + "/" + gate.owner,
            cells: ["shard " + gate.shard, gate.owner === "redis" ? "Redis" : "shard " + gate.owner,
                    pill(gate.state.replace("_", " "), kinds[gate.state] || "wait"), [count(gate.window), gate.window],
                    [count(gate.in_flight), gate.in_flight], [count(gate.refused_per_s), gate.refused_per_s]],
        })));
        show("gates_note", s.gates.length === 0 ? "none: there is one shard"
            : closed.length === 0 ? `all ${s.gates.length} are open` : `${closed.length} of ${s.gates.length} are not open`);
        fill("overflows", Object.entries(s.overflows_per_s).map(([reason, rate]) => ({
            key: reason, warn: rate > 0, cells: [reason.replaceAll("_", " "), [count(rate), rate]],
        })));
        byId("redis_part").hidden = !s.redis;
        if (s.redis) {
            fill("redis", [{key: "redis", warn: s.redis.connected === 0, cells: [
                [count(s.redis.servers), s.redis.servers], [count(s.redis.connected), s.redis.connected],
                [count(s.redis.pending), s.redis.pending], [count(s.redis.calls_per_s), s.redis.calls_per_s],
                [count(s.redis.errors_per_s), s.redis.errors_per_s]]}]);
        }
    }
    let latest = null;
    function take(s) {
        latest = s;
        const overflows = showTiles(s);
        const p = s.latency.numbers || {};
        const entry = {at: Date.parse(s.time), rates: [s.numbers_per_s, s.requests_per_s, overflows],
                       latency: [p.p50, p.p90, p.p99, p.p999]};
        history.push(entry);
        while (entry.at - history[0].at > keptMs) history.shift();
        for (const [id, plot] of Object.entries(plots)) {
            plot.labels.forEach((label, i) => show(label, plot.format(entry[id][i])));
        }
        drawAll();
        showPools(s);
        showAdvice(s);
        showShards(s);
        showRest(s);
        show("about", `${s.version} · told by shard ${s.shard} · ${new Date(s.time).toLocaleTimeString()}`);
        document.title = `${count(s.numbers_per_s)} numbers/s – ringmaster`;
    }

    // ---- the stream ----
    let heard = 0;
    function state(text, kind) {
        show("state", text);
        byId("state").className = "pill " + kind;
        document.querySelector("main").classList.toggle("stale", kind === "wait");
    }
    function showState() {
        const down = latest.shards.filter(shard => !shard.up).length;
        if (!latest.store.ready) state("Store is not ready", "bad");
        else if (down) state(down === 1 ? "A shard is down" : down + " shards are down", "bad");
        else state("Serving", "good");
    }
    function connect() {
        const source = new EventSource("status/stream");
        source.onmessage = event => {
            heard = Date.now();
            take(JSON.parse(event.data));
            showState();
        };
        source.onerror = () => {
            state("Connection lost, trying again", "wait");
            if (source.readyState !== EventSource.CLOSED) return;  // else it tries again by itself
            source.close();
            setTimeout(connect, retryMs);
        };
    }
    setInterval(() => {
        if (heard && Date.now() - heard > staleMs) {
            state(`No news for ${Math.round((Date.now() - heard) / 1000)} s`, "wait");
        }
    }, 1000);
    window.addEventListener("resize", drawAll);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
    drawAll();
    connect();
})();
