local gitops = require("gitops")

-- Define environments with different configurations
local environments = {
    {
        name = "development",
        repo = "https://github.com/company/k8s-dev",
        branch = "develop",
        auto_sync = true,        -- Auto-deploy in dev
        sync_interval = "5m"
    },
    {
        name = "staging",
        repo = "https://github.com/company/k8s-staging", 
        branch = "staging",
        auto_sync = true,        -- Auto-deploy in staging
        sync_interval = "10m"
    },
    {
        name = "production",
        repo = "https://github.com/company/k8s-prod",
        branch = "main",
        auto_sync = false,       -- Manual deploys in production
        approval_required = true
    }
}

-- Create workflows for all environments
for _, env in ipairs(environments) do
    local workflow_id = gitops.create_workflow({
        name = env.name .. " Environment",
        repository = gitops.register_repository({
            url = env.repo,
            branch = env.branch
        }),
        auto_sync = env.auto_sync,
        diff_preview = true,
        rollback_on_failure = true
    })
    
    log.info("Created GitOps workflow for " .. env.name .. ": " .. workflow_id)
end
