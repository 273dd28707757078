-- Enable auto-sync for non-production environments
local dev_workflow = gitops.workflow({
    repo = "https://github.com/company/dev-config",
    auto_sync = true,
    sync_interval = "5m",     -- Check for changes every 5 minutes
    diff_preview = true,
    rollback_on_failure = true
})

-- Start the auto-sync controller
gitops.start_auto_sync()
log.info(" Auto-sync controller started")
