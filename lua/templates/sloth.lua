-- What is deployed where. See what a sync would do: sloth-ci preview
local gitops = require("gitops")

gitops.workflow({
    name = "@NAME@",
    repo = ".",                                        -- this repository; or a URL. Its default branch, or branch = …
    target_path = "@TARGET_PATH@",                     -- plain YAML, a kustomization, or a Helm chart
    -- To be set before CI deploys: a cluster is { context = "production", namespace = "@NAME@" }, a branch
    -- { branch = "rendered/production" }. This directory is to try it here; on a CI runner it is gone after the job.
    destination = { directory = ".sloth/live/@NAME@" },
    -- To be set, too: auto_sync = true deploys each merge, approval_required = true each one that was approved.
    auto_sync = false,
    diff_preview = true,
    rollback_on_failure = true,
    -- What may be deployed, whoever approves it:
    -- policy = { deny = { image_tags = true, pod_security = "baseline" }, warn = { resources = true, probes = true } },
    sync_policy = {
        health_check = {
            timeout = "5m",
            -- What tells a good deployment from a bad one: a command, a URL (http = ...), or a Lua function (lua = ...).
            -- command = "./smoke-test.sh",
        },
    },
})
