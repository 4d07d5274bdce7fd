-- The action `lua.vidpass`: asks vidpass whether the viewer may have what they ask for.
--
-- It sets txn.vidpass_path, the path without the token, where they may. Otherwise it answers the viewer as vidpass says,
-- and where vidpass does not answer, with 503.

local VIDPASS = "http://127.0.0.1:9191/"
local PATIENCE = 5000 -- milliseconds

-- What vidpass reads besides, where it is set to: the place of the token, and the viewer's site.
local PASSED_ON = { "authorization", "cookie", "origin", "referer", "sec-fetch-site", "x-forwarded-for" }

local function question(txn)
    local headers = {
        ["x-original-method"] = { txn.sf:method() },
        ["x-original-uri"] = { txn.sf:url() },
        ["x-original-host"] = { txn.sf:req_hdr("host") },
    }
    local viewers = txn.http:req_get_headers()
    for _, name in ipairs(PASSED_ON) do
        if viewers[name] then
            headers[name] = {}
            for index = 0, #viewers[name] do
                table.insert(headers[name], viewers[name][index])
            end
        end
    end
    -- The last entry is whoever is connected to us, as every proxy appends it.
    headers["x-forwarded-for"] = headers["x-forwarded-for"] or {}
    table.insert(headers["x-forwarded-for"], txn.sf:src())
    return headers
end

local function refuse(txn, status, headers, body)
    local reply = txn:reply({ status = status, body = body })
    for name, values in pairs(headers) do
        -- The length is HAProxy's to count.
        if name ~= "content-length" and name ~= "connection" and name ~= "date" then
            for index = 0, #values do
                if values[index] then
                    reply:add_header(name, values[index])
                end
            end
        end
    end
    txn:done(reply)
end

local function first(headers, name)
    return headers and headers[name] and headers[name][0] or ""
end

core.register_action("vidpass", { "http-req" }, function(txn)
    local answer = core.httpclient():get({ url = VIDPASS, headers = question(txn), timeout = PATIENCE })
    local status = answer and answer.status or 0
    if status == 200 then
        txn:set_var("txn.vidpass_path", first(answer.headers, "x-vidpass-path"))
        txn:set_var("txn.vidpass_cache", first(answer.headers, "x-vidpass-cache-control"))
        txn:set_var("txn.vidpass_decision", first(answer.headers, "x-vidpass-decision"))
    elseif status == 400 or status == 401 or status == 403 or status == 405 then
        txn:set_var("txn.vidpass_denial", first(answer.headers, "x-vidpass-denial"))
        txn:set_var("txn.vidpass_decision", first(answer.headers, "x-vidpass-decision"))
        refuse(txn, status, answer.headers, answer.body)
    else
        refuse(txn, 503, { ["content-type"] = { [0] = "application/json" } }, '{"code":"unavailable","message":"The video cannot be served at the moment."}')
    end
end)
