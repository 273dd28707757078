-- Disaster recovery: know that what runs is what Git says, put it back when it is not, and build it anew elsewhere.
--
--   sloth-ci run --workflow examples/disaster_recovery.lua                              is everything in order?
--   sloth-ci run --workflow examples/disaster_recovery.lua --task restore --param to=2026-05-01T12:00:00Z
--   sloth-ci run --workflow examples/disaster_recovery.lua --task rebuild               into the standby destination
--
-- Every sync takes a backup first; `to` is a backup, a commit, a time, or "previous".

local repository = gitops.register_repository({
    url = values.repository or "https://github.com/company/k8s-prod",
    branch = "main",
})

local function declare(name, destination)
    return gitops.create_workflow({
        name = name,
        environment = "production",
        repository = repository,
        target_path = values.target_path,
        destination = destination,
        rollback_on_failure = true,
    })
end

local primary = declare("primary", { directory = "live/primary" })
local standby = declare("standby", { directory = "live/standby" })

local drill = task("drill")
    :description("Whether the primary is what Git says")
    :command(function()
        local status = gitops.get_workflow_status(primary)
        local diff = gitops.generate_diff(primary)
        if diff then
            log.warn("the primary differs from Git in " .. diff.summary.total_changes .. " objects")
        end
        return { success = true, message = "status: " .. status.status, differs = diff ~= nil }
    end)
    :build()

task("restore")
    :description("Put the primary back, to the previous state or to --param to=...")
    :params({ to = "previous", reason = "disaster recovery" })
    :command(function(params)
        return gitops.rollback_workflow(primary, params.reason, params.to)
    end)
    :build()

task("rebuild")
    :description("Everything that Git says, into the standby destination")
    :retries(2, "exponential", "10s")
    :command(function()
        local synced, why = gitops.sync_workflow(standby)
        if not synced then
            return false, why
        end
        return { success = gitops.get_workflow_status(standby).status == "synced" }
    end)
    :build()

workflow.define("disaster-recovery", { description = "The daily check", tasks = { drill } })
