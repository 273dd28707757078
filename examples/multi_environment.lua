-- Development, staging and production: each its own repository and branch, promoted one after the other.
--
--   sloth-ci run --workflow examples/multi_environment.lua                      all three, as far as they get
--   sloth-ci run --workflow examples/multi_environment.lua --task production    production, after what it needs
--
-- `values.repositories` is where the three repositories are.

local base = values.repositories or "https://github.com/company"

local environments = {
    { name = "development", repo = base .. "/k8s-dev", branch = "develop", auto_sync = true },
    { name = "staging", repo = base .. "/k8s-staging", branch = "staging" },
    { name = "production", repo = base .. "/k8s-prod", branch = "main", approval_required = true },
}

-- What the reader of a preview wants to know before anything happens.
local function too_risky(diff)
    if diff.summary.conflict_count > 0 then
        for _, conflict in ipairs(diff.conflicts) do
            log.error(conflict.resource .. ": " .. conflict.description)
        end
        return diff.summary.conflict_count .. " conflicts"
    end
    for _, change in ipairs(diff.changes) do
        if change.impact == "critical" and change.reversible == "no" then
            return change.resource .. " (" .. change.type .. ") cannot be undone"
        end
    end
end

local tasks, before = {}, nil
for _, env in ipairs(environments) do
    local repository = gitops.register_repository({ url = env.repo, branch = env.branch })
    local id = gitops.create_workflow({
        name = env.name,
        environment = env.name,
        repository = repository,
        auto_sync = env.auto_sync or false,
        approval_required = env.approval_required or false,
        diff_preview = true,
        rollback_on_failure = true,
        sync_policy = { health_check = { timeout = "10m" } },
    })

    tasks[#tasks + 1] = task(env.name)
        :description("Deploy to " .. env.name)
        :depends_on(before and { before } or {})
        :command(function()
            local diff = gitops.generate_diff(id)
            if not diff then
                return { success = true, message = "nothing to change", changes = 0 }
            end
            local risk = too_risky(diff)
            if risk then
                return { success = false, message = risk }
            end
            local synced, why = gitops.sync_workflow(id)
            return { success = synced, message = why, changes = diff.summary.total_changes }
        end)
        :build()
    before = env.name
end

workflow.define("rollout", {
    description = "Promote through all environments; the first that fails stops it",
    version = "1.0",
    tasks = tasks,
    on_task_complete = function(name, success, output)
        log.info(name .. ": " .. (success and "done" or "failed") .. ", " .. (output.changes or 0) .. " changes")
    end,
})
