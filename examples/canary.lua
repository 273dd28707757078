-- A canary release: a few first, then more, then all; whatever goes wrong on the way takes everything back.
--
-- The repository has a folder for each step (weights are manifests like everything else):
--
--   canary-10/  canary-50/  stable/
--
--   sloth-ci run --workflow examples/canary.lua --param wait=10m

local strategies = require("strategies")

local repository = gitops.register_repository({
    url = values.repository or "https://github.com/company/shop",
    branch = "main",
})

local function step(name)
    return gitops.create_workflow({
        name = name,
        repository = repository,
        target_path = name,
        destination = { directory = "live/" .. name },
        rollback_on_failure = true,
    })
end

local steps = { step("canary-10"), step("canary-50") }
local stable = step("stable")

-- The share of failed requests, as the monitoring reports it.
local function error_rate()
    if not values.metrics then
        return 0
    end
    return json.decode(http.get(values.metrics, { timeout = "10s" }).body).error_rate
end

local release = task("release")
    :description("10 %, 50 %, everybody")
    :command(function(params)
        local limit = tonumber(params.error_limit or "0.01")
        return strategies.canary({
            canary = steps,
            stable = stable,
            wait = params.wait or "5m",
            verify = function(stage)
                local rate = error_rate()
                log.info(stage.name .. ": " .. rate * 100 .. " % of the requests fail")
                return rate <= limit, "too many requests fail"
            end,
        })
    end)
    :on_failure(function(_, message)
        log.error("the release is off: " .. message)
    end)
    :build()

workflow.define("canary", { description = "Gradual rollout", tasks = { release } })
