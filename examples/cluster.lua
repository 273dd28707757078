-- Two clusters: staging on every run, production once staging is healthy and nobody changed production by hand.
--
--   sloth-ci preview --workflow examples/cluster.lua --environment production
--   sloth-ci run --workflow examples/cluster.lua --task production
--   sloth-ci run --workflow examples/cluster.lua --task production --param overwrite=yes
--
-- Each environment is a context of the kubeconfig that KUBECONFIG names; how else to get in is in docs/kubernetes-access.md.

local workflows = {}
for _, environment in ipairs({ "staging", "production" }) do
    workflows[environment] = gitops.workflow({
        name = "shop-" .. environment,
        environment = environment,
        repo = values.repository or "https://github.com/company/k8s-manifests",
        target_path = "overlays/" .. environment,
        destination = { context = environment, namespace = "shop" },
        rollback_on_failure = true,
        conflicts = {
            managers = {
                ["kube-controller-manager"] = "yield", -- the autoscaler's replicas are its own
                ["kubectl-edit"] = "force", -- what was edited by hand is put back
            },
        },
        sync_policy = {
            retry = { limit = 3, backoff = "exponential", delay = "5s" },
            -- The cloud may take its time over an address, and nothing waits for it.
            health_check = { timeout = "5m", ignore = { "Service/shop/public" } },
        },
    })
end

-- What others changed since the last sync, and a sync would put back.
local function edited(diff)
    local found = {}
    for _, drift in ipairs(diff.drift or {}) do
        if drift.outcome == "overwritten" then
            found[#found + 1] = drift.resource .. " " .. drift.path .. " (" .. (drift.manager or "unknown") .. ")"
        end
    end
    return found
end

local staging = task("staging")
    :description("Sync staging and wait until it is healthy")
    :timeout("10m")
    :command(function()
        return gitops.sync_workflow(workflows.staging)
    end)
    :build()

local production = task("production")
    :description("Sync production, unless that would undo what somebody did by hand")
    :depends_on("staging")
    :timeout("10m")
    :command(function(params)
        local diff = gitops.generate_diff(workflows.production)
        local by_hand = diff and edited(diff) or {}
        if #by_hand > 0 and params.overwrite ~= "yes" then
            return { success = false, message = "changed by hand: " .. table.concat(by_hand, ", ") }
        end
        return gitops.sync_workflow(workflows.production)
    end)
    :build()

workflow.define("cluster", { description = "Staging, then production", tasks = { staging, production } })
