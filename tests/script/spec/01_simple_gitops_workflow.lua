local gitops = require("gitops")

-- Create a GitOps workflow with minimal configuration
local workflow = gitops.workflow({
    repo = "https://github.com/company/infrastructure",
    branch = "main",
    auto_sync = true,
    diff_preview = true,
    rollback_on_failure = true
})

-- That's it! GitOps is now active
log.info("GitOps workflow created: " .. workflow.workflow_id)
