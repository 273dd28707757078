-- require("strategies"): several workflows, one rollout. Each function returns true, or false and why, as
-- gitops.sync_workflow does; what went out before a failure is rolled back, the last first.

local _, host = ...
local strategies = {}

local function check(what, options, known)
    if type(options) ~= "table" then
        error(what .. ": expected a table, got " .. type(options), 3)
    end
    for key in pairs(options) do
        if not known[key] then
            error(what .. ": unknown key '" .. tostring(key) .. "'", 3)
        end
    end
end

local function check_function(what, value, name)
    if value ~= nil and type(value) ~= "function" then
        error(what .. ": '" .. name .. "' is a function, got " .. type(value), 3)
    end
end

-- Asks verify(stage) whether the stage is good: true, or false and why. In a rehearsal nothing has changed yet.
local function is_good(verify, stage)
    if not verify or host("rehearsal") then
        return true
    end
    local fine, good, why = pcall(verify, stage)
    if not fine then
        return false, tostring(good)
    end
    return good == true, why and tostring(why) or "its check does not hold"
end

local function roll_back(done, why)
    for i = #done, 1, -1 do
        log.warn("rolling back " .. done[i].name)
        local worked, problem = gitops.rollback_workflow(done[i].workflow, why)
        if not worked then
            why = why .. "; " .. done[i].name .. " could not be rolled back: " .. tostring(problem)
        end
    end
    return false, why
end

local STAGE = { name = true, workflow = true, verify = true, wait = true }

-- Stages one after the other: sync, wait, verify.
--   stages    { { name, workflow, wait, verify }, ... }; workflow is an id or what gitops.workflow returned
--   verify    function(stage) -> true | false, why; for stages without their own
--   wait      how long a stage has to hold before it is verified, such as "2m"; for stages without their own
--   rollback  false leaves everything as it is when a stage fails
function strategies.progressive(options)
    local what = "strategies.progressive"
    check(what, options, { stages = true, verify = true, wait = true, rollback = true })
    check_function(what, options.verify, "verify")
    if type(options.stages) ~= "table" or #options.stages == 0 then
        error(what .. ": 'stages' is a list with at least one stage", 2)
    end
    for i, stage in ipairs(options.stages) do
        check(what .. ": stage " .. i, stage, STAGE)
        check_function(what .. ": stage " .. i, stage.verify, "verify")
        if stage.workflow == nil then
            error(what .. ": stage " .. i .. " has no workflow", 2)
        end
    end

    local done = {}
    for i, given in ipairs(options.stages) do
        local stage = { name = given.name or "stage " .. i, workflow = given.workflow, index = i }
        log.info(what:match("[^.]+$") .. ": " .. stage.name .. " (" .. i .. " of " .. #options.stages .. ")")
        local synced, why = gitops.sync_workflow(stage.workflow)
        if synced then
            done[#done + 1] = stage
            local wait = given.wait or options.wait
            if wait then
                sleep(wait)
            end
            synced, why = is_good(given.verify or options.verify, stage)
        end
        if not synced then
            why = stage.name .. ": " .. (why or "its sync failed")
            if options.rollback == false then
                return false, why
            end
            return roll_back(done, why)
        end
    end
    return true
end

-- A canary first, then everybody.
--   canary, stable  workflows; canary may be a list of them, each taking more of the traffic
--   verify, wait    how the canary proves itself
function strategies.canary(options)
    check("strategies.canary", options, { canary = true, stable = true, verify = true, wait = true })
    local canaries = options.canary
    if type(canaries) ~= "table" or canaries.workflow_id then
        canaries = { canaries }
    end
    if #canaries == 0 or options.stable == nil then
        error("strategies.canary: give 'canary' and 'stable'", 2)
    end
    local stages = {}
    for i, workflow in ipairs(canaries) do
        local name = #canaries > 1 and "canary " .. i or "canary"
        stages[i] = { name = name, workflow = workflow, wait = options.wait, verify = options.verify }
    end
    stages[#stages + 1] = { name = "stable", workflow = options.stable }
    return strategies.progressive({ stages = stages })
end

-- The idle colour first; when it is good, the switch that sends the traffic there.
--   idle, switch    workflows
--   verify          how the idle colour proves itself before the switch
--   verify_switch   how it does after the switch
--   wait            before each of them
function strategies.blue_green(options)
    check("strategies.blue_green", options,
        { idle = true, switch = true, verify = true, verify_switch = true, wait = true })
    if options.idle == nil or options.switch == nil then
        error("strategies.blue_green: give 'idle' and 'switch'", 2)
    end
    return strategies.progressive({
        wait = options.wait,
        stages = {
            { name = "idle colour", workflow = options.idle, verify = options.verify },
            { name = "switch", workflow = options.switch, verify = options.verify_switch },
        },
    })
end

return strategies
