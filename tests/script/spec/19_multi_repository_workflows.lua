-- Coordinate multiple repositories
local frontend_workflow = gitops.workflow({
    repo = "https://github.com/company/frontend-config"
})

local backend_workflow = gitops.workflow({
    repo = "https://github.com/company/backend-config"
})

local database_workflow = gitops.workflow({
    repo = "https://github.com/company/database-config"
})

-- Deploy in sequence
gitops.sync_workflow(database_workflow.workflow_id)
gitops.sync_workflow(backend_workflow.workflow_id)
gitops.sync_workflow(frontend_workflow.workflow_id)
