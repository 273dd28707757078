-- What is deployed where. See what a sync would do: sloth-ci preview
local gitops = require("gitops")

gitops.workflow({
    name = "app",
    repo = ".",                                        -- this repository; or a URL. Its default branch, or branch = …
    target_path = "@TARGET_PATH@",                     -- plain YAML, a kustomization, or a Helm chart
    -- A cluster is { context = "production", namespace = "app" }, a branch { branch = "rendered/production" }.
    destination = { directory = ".sloth/live/app" },
    auto_sync = false,                                 -- true: synced by `sloth-ci run` and `sloth-ci controller`
    diff_preview = true,
    rollback_on_failure = true,
    sync_policy = {
        health_check = {
            timeout = "5m",
            -- What tells a good deployment from a bad one: a command, a URL (http = ...), or a Lua function (lua = ...).
            -- command = "./smoke-test.sh",
        },
    },
})
