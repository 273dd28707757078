-- What is deployed where. This file is all the configuration there is.
local gitops = require("gitops")

gitops.workflow({
    name = "shop",
    repo = ".",
    branch = "main",
    environment = "production",
    target_path = "manifests",
    destination = { directory = "live/production" },
    auto_sync = true,
    diff_preview = true,
    rollback_on_failure = true,
    sync_policy = {
        health_check = {
            timeout = "3s",
            interval = "500ms",
            -- Any command, URL or Lua function that tells a good deployment from a bad one.
            command = "./check.sh",
        },
    },
})
