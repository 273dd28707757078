-- Kubernetes manifests of one repository, with checks of our own between the preview and the sync.
--
--   sloth-ci run --workflow examples/kubernetes.lua --task deploy
--   sloth-ci run --workflow examples/kubernetes.lua --task deploy --param allow_deletes=yes

local manifests = gitops.workflow({
    name = "shop",
    repo = values.repository or "https://github.com/company/k8s-manifests",
    branch = "main",
    target_path = values.target_path or "manifests/production",
    auto_sync = false,
    diff_preview = true,
    rollback_on_failure = true,
    sync_policy = {
        auto_prune = true,
        retry = { limit = 3, backoff = "exponential", delay = "5s" },
        health_check = { timeout = "5m" },
    },
})

-- Kinds that take data with them when they go.
local precious = { PersistentVolumeClaim = true, PersistentVolume = true, Namespace = true, StatefulSet = true }

local check = task("check")
    :description("What would change, and whether it may")
    :command(function(params)
        local diff = gitops.generate_diff(manifests)
        if not diff then
            return { success = true, message = "nothing to change", changes = 0 }
        end
        local refused = {}
        for _, change in ipairs(diff.changes) do
            log.info(change.type .. " " .. change.resource .. " (" .. change.impact .. ")")
            if change.type == "delete" and precious[change.kind] and params.allow_deletes ~= "yes" then
                refused[#refused + 1] = change.resource
            end
        end
        for _, warning in ipairs(diff.warnings) do
            log.warn(warning)
        end
        if #refused > 0 then
            return { success = false, message = "would delete " .. table.concat(refused, ", ") }
        end
        return { success = diff.summary.conflict_count == 0, changes = diff.summary.total_changes }
    end)
    :build()

local deploy = task("deploy")
    :description("Sync, and say how it went")
    :depends_on("check")
    :timeout("20m")
    :run_if(function(_, deps)
        return deps.check.changes > 0
    end)
    :command(function()
        local synced, why = gitops.sync_workflow(manifests)
        if not synced then
            return false, why
        end
        local last = gitops.get_workflow_status(manifests).last_sync_result
        return { success = true, message = "synced " .. last.metrics.resources_applied .. " objects" }
    end)
    :build()

workflow.define("kubernetes", { description = "Check, then deploy", tasks = { check, deploy } })
