local production_deploy = task("production_deploy")
    :description("Manual production deployment with full validation")
    :command(function(params, deps)
        local workflow_id = params.workflow_id
        
        -- Step 1: Generate and review diff
        local diff = gitops.generate_diff(workflow_id)
        
        -- Step 2: Run pre-deployment validations
        log.info(" Running pre-deployment validations...")
        
        -- Check for breaking changes
        local breaking_changes = false
        for _, change in ipairs(diff.changes) do
            if change.type == "delete" and change.resource:match("PersistentVolume") then
                breaking_changes = true
                log.error(" Breaking change detected: Deleting PersistentVolume")
            end
        end
        
        if breaking_changes then
            return {success = false, message = "Breaking changes detected - manual review required"}
        end
        
        -- Step 3: Execute deployment
        log.info(" Executing production deployment...")
        local sync_result = gitops.sync_workflow(workflow_id)
        
        if not sync_result then
            log.error(" Deployment failed!")
            return {success = false, message = "Deployment failed"}
        end
        
        -- Step 4: Verify deployment
        log.info(" Verifying deployment...")
        local status = gitops.get_workflow_status(workflow_id)
        
        if status.status == "synced" and status.last_sync_result.status == "succeeded" then
            log.info(" Production deployment successful!")
            return {success = true, message = "Production deployed successfully"}
        else
            log.error(" Deployment verification failed!")
            return {success = false, message = "Deployment verification failed"}
        end
    end)
    :build()
