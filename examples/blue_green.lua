-- Blue-green: the idle colour is deployed and checked, then the traffic is sent to it. If the switch turns out bad, the
-- traffic goes back, and so does the idle colour.
--
-- The repository has a folder for each colour, and for each colour a folder with the Service that selects it:
--
--   blue/  green/  traffic-blue/  traffic-green/
--
--   sloth-ci run --workflow examples/blue_green.lua --param live=blue

local strategies = require("strategies")

local repository = gitops.register_repository({
    url = values.repository or "https://github.com/company/shop",
    branch = "main",
})

local live = params.live or "blue"
local idle = live == "blue" and "green" or "blue"

local function declare(name, path)
    return gitops.create_workflow({
        name = name,
        repository = repository,
        target_path = path,
        destination = { directory = "live/" .. name },
        rollback_on_failure = true,
    })
end

local colour = declare(idle, idle)
local traffic = declare("traffic", "traffic-" .. idle)

-- A real one would ask the service: http.get(values.url .. "/healthz").status == 200
local function answers(stage)
    local check = values.check
    if not check then
        return true
    end
    local result = exec.run(check, { timeout = "30s", read_only = true })
    return result.success, stage.name .. " does not answer: " .. result.stderr
end

local release = task("release")
    :description("Move the traffic from " .. live .. " to " .. idle)
    :command(function()
        local moved, why = strategies.blue_green({
            idle = colour,
            switch = traffic,
            verify = answers,
            verify_switch = answers,
        })
        return { success = moved, message = why or "the traffic is on " .. idle, live = moved and idle or live }
    end)
    :build()

workflow.define("blue-green", { description = "Zero-downtime release", tasks = { release } })
