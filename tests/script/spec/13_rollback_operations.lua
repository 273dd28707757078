-- Rollback workflow
local success = gitops.rollback_workflow(workflow_id, "Reason for rollback")
