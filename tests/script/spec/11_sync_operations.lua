-- Manual sync
local success = gitops.sync_workflow(workflow_id)

-- Get workflow status
local status = gitops.get_workflow_status(workflow_id)

-- List all workflows
local workflows = gitops.list_workflows()
