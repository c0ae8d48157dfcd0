// Shows each visitor of a page a number of a ring pool that is his alone:
//
//   <script async src="https://numbers.example/embed.js" data-pool="autos" data-key="A329F4DC"
//           data-replace="800-555-0100"></script>
//
// What it does, sends and keeps stands in README.md, "On a web page". It runs once for each such
// element, which is one pool. Whatever fails, the page has the number that its author wrote.
(() => {
    "use strict";

    const SILENCE_MS = 6000;  // who says nothing for so long is held back on the way
    const ANSWER_MS = 10000;
    const HIDDEN_MS = 30000;  // a glance at another tab ends nothing
    const POLL_MS = {least: 5000, most: 300000};
    const RETRY_MS = {least: 2000, most: 60000};
    const UNKNOWN_TERM_MS = 60000;
    const VISIT_MS = 1800000;
    const FRAME_MS = 8;  // of each frame, for what the page has added
    const MOST_CHANGES = 1000;  // that are looked at one by one

    const script = document.currentScript;
    const {pool, key, session, replace = ""} = script ? script.dataset : {};

    let warned = false;
    function warn(what) {
        if (!warned) console.warn(`ringmaster, pool ${pool}: ${what}`);
        warned = true;
    }

    // What the pools of a page share, and the page may read.
    if (!window.ringmaster || !window.ringmaster.numbers) {
        window.ringmaster = {session: null, number: null, numbers: {}};
    }
    const shared = window.ringmaster;
    if (!pool || !key) return warn("needs a <script> element with data-pool and data-key");
    if (pool in shared.numbers) return warn("has two <script> elements");
    shared.numbers[pool] = null;
    const firstScript = document.querySelector("script[data-pool][data-key]");
    const isFirst = !firstScript || firstScript === script;

    // --- who asks, and what brought him here ----------------------------------------------------

    // Storage may be off, full, or forbidden in a frame, where even its name throws.
    function attempt(action) {
        try { return action(); } catch (error) { return null; }
    }

    function visitor() {
        const NAME = "ringmaster-session";
        const known = () => {
            const stored = attempt(() => localStorage.getItem(NAME));
            const found = /(?:^|; )ringmaster-session=([0-9a-f]{32})(?:;|$)/.exec(
                stored ? `${NAME}=${stored}` : attempt(() => document.cookie));
            return found && found[1];
        };
        const made = Array.from(crypto.getRandomValues(new Uint8Array(16)),
                                (byte) => byte.toString(16).padStart(2, "0")).join("");
        if (!known()) attempt(() => localStorage.setItem(NAME, made));
        if (!known()) {
            attempt(() => {
                document.cookie = `${NAME}=${made}; path=/; max-age=31536000; samesite=lax`;
            });
        }
        // Where another tab was as quick, both are one visitor. Where nothing is kept, a page is.
        return known() || made;
    }

    // The parameters that the visit began with, as a query. Another ad begins another visit; a new
    // tab goes on with the latest one.
    function campaign() {
        const NAME = "ringmaster-campaign";
        const landing = new URLSearchParams();
        new URLSearchParams(location.search).forEach((value, name) => {
            if (/^(utm_.+|gclid|fbclid|msclkid)$/.test(name)) landing.append(name, value);
        });
        const [time, latest] = (attempt(() => localStorage.getItem(NAME)) || "0 ").split(" ");
        const found = landing.toString() || attempt(() => sessionStorage.getItem(NAME)) ||
            (Date.now() - time < VISIT_MS ? latest : "");
        attempt(() => sessionStorage.setItem(NAME, found));
        attempt(() => localStorage.setItem(NAME, `${Date.now()} ${found}`));
        return found;
    }

    // What the server would refuse is left out: better a number without it than none.
    function query() {
        const all = new URLSearchParams([["pool", pool], ["key", key],
                                         ["session", session || shared.session]]);
        const bytes = (text) => new TextEncoder().encode(text).length;
        let room = 32;
        const add = (value, name) => {
            if (!room || !name || all.has(name) || bytes(name) > 64 || bytes(value) > 2048) return;
            all.append(name, value);
            if (all.toString().length < 7168) --room;  // the server takes a target of 8192 bytes
            else all.delete(name);
        };
        for (const {name, value} of Array.from(script.attributes)) {
            if (name.startsWith("data-param-")) add(value, name.slice("data-param-".length));
        }
        new URLSearchParams(campaign()).forEach(add);
        return all;
    }

    shared.session = shared.session || visitor();
    const asked = query();
    const url = (path) => `${new URL(path, script.src).href}?${asked}`;

    // --- which number is his --------------------------------------------------------------------

    let row = null;       // as the server told it; null: the page's own number
    let term = 0;         // ms for which it was promised
    let goodUntil = 0;    // before that it is nobody else's
    let stream = null;
    let held = false;     // by a stream that is open
    let question = null;  // a GET that is under way
    let timer = 0;        // of what comes next
    let failures = 0;     // in a row
    let resting = true;   // nobody looks at the page

    function have(answer) {
        const news = !row || !answer || row.number !== answer.number;
        shared.numbers[pool] = row = answer && Object.freeze(Object.assign({pool}, answer));
        if (isFirst) shared.number = row;
        if (news) show();
        return news;
    }

    function learn(answer) {
        const left = Date.parse(answer.expires_at) - Date.now();
        term = left > 0 ? left : UNKNOWN_TERM_MS;  // a visitor's clock may be wrong by years
        goodUntil = answer.overflow ? Infinity : Date.now() + term;
        if (have(answer)) tell("ringmaster:number", row);
    }

    // The visitor has none any more: the one that is shown may be somebody else's soon.
    function lose(error) {
        if (row) have(null);
        warn(error.message);
        tell("ringmaster:unavailable", Object.assign({pool}, error));
    }

    function forgetWhenOver() {
        if (row && Date.now() > goodUntil) have(null);
    }

    function tell(name, detail) {
        document.dispatchEvent(new CustomEvent(name, {detail}));
    }

    function next(ms, step) {
        clearTimeout(timer);
        timer = step ? setTimeout(() => { timer = 0; step(); }, ms) : 0;
    }

    // Ends what is under way.
    function stop() {
        next(0, null);
        if (question) question.abort();
        question = null;
        lost();
        if (stream) stream.close();
        stream = null;
    }

    // While a stream is open, the server promises its number anew in each third of the lifetime:
    // more than half of that is left, even where the server was killed.
    function lost() {
        if (held) goodUntil = Math.max(goodUntil, Date.now() + term / 2);
        held = false;
    }

    // A turn: a stream, and as long as that is open no other turn. Where it is refused, or held
    // back by some proxy, one GET, and the next turn before what that has brought is over.
    function turn() {
        stop();
        if (!window.EventSource) return ask();
        const source = stream = new EventSource(url("numbers/stream"));
        let hasNumber = false;
        const giveUp = () => { stop(); ask(); };
        const hear = (handle) => (event) => {
            if (source !== stream) return;
            next(0, null);
            failures = 0;
            held = hasNumber = handle === learn;
            handle(JSON.parse(event.data));
        };
        source.addEventListener("number", hear(learn));
        source.addEventListener("unavailable", hear(lose));
        // To a browser that has come back the server doesn't repeat a number that it knows.
        source.onopen = () => {
            if (source !== stream || !hasNumber) return;
            next(0, null);
            held = true;
        };
        source.onerror = () => {
            if (source !== stream) return;
            lost();
            if (source.readyState === EventSource.CLOSED) giveUp();
            else if (!timer) next(SILENCE_MS, giveUp);
        };
        next(SILENCE_MS, giveUp);
    }

    async function ask() {
        const own = question = new AbortController();
        let wait = 0;
        next(ANSWER_MS, () => own.abort());
        try {
            const answer = await (await fetch(url("numbers"), {
                signal: own.signal, cache: "no-store", credentials: "omit"})).json();
            if (own !== question) return;
            if (answer.number) {
                learn(answer);
                wait = Math.min(Math.max(term / 2, POLL_MS.least), POLL_MS.most);
            } else if (/^(Invalid(Key|Input)|PoolExhausted)$/.test(answer.error_class)) {
                lose(answer);
            }
        } catch (error) {
            if (own !== question) return;
        }
        question = null;
        forgetWhenOver();
        failures = wait ? 0 : failures + 1;
        wait = wait || Math.min(RETRY_MS.least * 2 ** (failures - 1), RETRY_MS.most);
        next(wait * (1 + Math.random()) / 2, turn);  // not all pages at once after a failure
    }

    // A page that nobody sees keeps no number from others, and no connection: a browser has six for
    // all its tabs and one server. The lifetime runs meanwhile.
    function rest() {
        stop();
        resting = true;
    }
    let hidden = 0;
    function wake() {
        if (document.visibilityState === "hidden") return;
        clearTimeout(hidden);
        if (!resting) return;
        resting = false;
        forgetWhenOver();
        turn();
    }
    document.addEventListener("visibilitychange", () => {
        clearTimeout(hidden);
        if (document.visibilityState === "hidden") hidden = setTimeout(rest, HIDDEN_MS);
        else wake();
    });
    window.addEventListener("pagehide", rest);  // perhaps into the back/forward cache
    window.addEventListener("pageshow", wake);

    // --- where it is shown ----------------------------------------------------------------------

    const MARKED = (isFirst ? '[data-ringmaster=""], ' : "") +
        `[data-ringmaster="${CSS.escape(pool)}"]`;
    const TEL = 'a[href^="tel:" i]';
    // Text that is not for reading, that is the visitor's own, or that has another rule.
    const LEFT_ALONE = "head, script, style, noscript, textarea, select, [data-ringmaster], " +
        '[contenteditable]:not([contenteditable="false"])';

    // The ways to write a number that is to be replaced: for texts a pattern, for links its digits.
    const BETWEEN = "[\\s().\\-\\u2010-\\u2015/]{0,3}";
    const dialled = new Set();
    const patterns = [];
    for (const text of replace.split(",").slice(0, 32)) {
        const [, plus, one, rest] = /^(\+?)(1?)(\d*)$/.exec(text.replace(/[^\d+]/g, "")) || [];
        const american = rest && rest.length === 10 && (one || !plus);
        const digits = american ? rest : one + rest;
        if (!rest || digits.length < 5 || digits.length > 15) continue;
        dialled.add(digits);
        if (american) dialled.add("1" + digits);
        patterns.push((american ? `(?:\\+?1${BETWEEN})?` : "\\+?") + "\\(?" +
                      Array.from(digits).join(BETWEEN));
    }
    const written = patterns.length > 0 &&
        new RegExp(`(^|[^\\d+])(${patterns.join("|")})(?!-?\\d)`, "g");

    function withNumber(text) {
        if (!row || !written) return text;
        return text.replace(written, (match, before, number, offset) => {
            // The end of another country's number is none of ours.
            if (/\+\d{1,3}[\s(.-]*$/.test(text.slice(0, offset) + before)) return match;
            return before + (/^\([^)]*$/.test(number) ? "(" : "") + row.formatted;
        });
    }

    // What we wrote to a text or a link, and what the page had there. Where it is neither any more,
    // the page has written since.
    const traces = new WeakMap();
    function theirs(node, now) {
        const trace = traces.get(node);
        return trace && trace.ours === now ? trace.theirs : now;
    }
    function write(node, now, wanted, set) {
        traces.set(node, {theirs: theirs(node, now), ours: wanted});
        if (wanted !== now) set(wanted);
    }
    function writeText(node, wanted) {
        write(node, node.data, wanted, (text) => { node.data = text; });
    }

    function textsIn(root) {
        if (root.nodeType === Node.TEXT_NODE) return [root];
        const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
        const texts = [];
        while (walker.nextNode()) texts.push(walker.currentNode);
        return texts;
    }

    // Its first text becomes the number, and others go; elements stay, be they pictures or the
    // property of some framework.
    function showInMarked(element) {
        const texts = textsIn(element).filter((text) => !text.parentElement.closest("svg"));
        const full = texts.filter((text) => theirs(text, text.data).trim());
        const place = full[0] || texts[0] || element.appendChild(document.createTextNode(""));
        for (const text of new Set([place, ...full])) {
            writeText(text, !row ? theirs(text, text.data) : text === place ? row.formatted : "");
        }
    }

    function showInLink(link) {
        const now = link.getAttribute("href");
        const old = theirs(link, now);
        const digits = (attempt(() => decodeURI(old)) || old).replace(/\D/g, "");
        const ours = dialled.has(digits) || link.matches(MARKED) || link.querySelector(MARKED);
        write(link, now, row && ours ? `tel:${row.number}` : old,
              (href) => link.setAttribute("href", href));
    }

    function showIn(root) {
        const element = root.nodeType === Node.TEXT_NODE ? root.parentElement : root;
        if (!root.isConnected || !element.closest) return;
        const find = (selector) => [
            element.closest(selector), ...(root === element ? root.querySelectorAll(selector) : []),
        ].filter(Boolean);
        const marked = find(MARKED);
        marked.forEach(showInMarked);
        new Set([...find(TEL), ...marked.map((one) => one.closest(TEL)).filter(Boolean)])
            .forEach(showInLink);
        for (const text of textsIn(root)) {
            const wanted = withNumber(theirs(text, text.data));
            if (wanted === text.data || text.parentElement.closest(LEFT_ALONE)) continue;
            writeText(text, wanted);
        }
    }

    // What the page adds or changes is looked at before it is painted. Once in a frame: if some
    // script of the page undoes what we do, the two take turns, but the page doesn't hang.
    const changed = new Set();
    let frame = 0;
    const observer = new MutationObserver((records) => {
        for (const record of records) {
            const nodes = record.type === "childList" ? record.addedNodes : [record.target];
            nodes.forEach((node) => changed.add(node));
        }
        if (changed.size > MOST_CHANGES) {
            changed.clear();
            changed.add(document.documentElement);
        }
        if (!frame && changed.size > 0) frame = requestAnimationFrame(showChanged);
    });
    function showChanged() {
        const end = performance.now() + FRAME_MS;
        for (const node of changed) {
            changed.delete(node);
            showIn(node);
            if (performance.now() > end) break;
        }
        observer.takeRecords();  // that is what we have changed ourselves
        frame = changed.size > 0 ? requestAnimationFrame(showChanged) : 0;
    }
    function show() {
        showIn(document.documentElement);
        observer.takeRecords();
        observer.observe(document, {subtree: true, childList: true, characterData: true,
                                    attributeFilter: ["href", "data-ringmaster"]});
    }

    wake();
})();
