-- Create simple workflow
local workflow = gitops.workflow({
    repo = "https://github.com/org/repo",
    branch = "main",
    auto_sync = true,
    diff_preview = true,
    rollback_on_failure = true
})

-- Create detailed workflow
local workflow_id = gitops.create_workflow({
    name = "Production Infrastructure",
    repository = repo_id,
    target_path = "k8s/production",
    auto_sync = false,
    diff_preview = true,
    rollback_on_failure = true
})
