-- Provide clear reasons for rollbacks
gitops.rollback_workflow(workflow_id, "Health check failed after 5 minutes")
