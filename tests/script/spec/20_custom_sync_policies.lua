local workflow_id = gitops.create_workflow({
    name = "Custom Sync Policy",
    repository = repo_id,
    sync_policy = {
        auto_prune = true,
        retry = {
            limit = 5,
            backoff = "exponential"
        },
        health_check = {
            enabled = true,
            timeout = "10m"
        }
    }
})
