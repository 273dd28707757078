local resilient_deploy = task("resilient_deploy")
    :description("Deploy with automatic rollback on failure")
    :command(function(params, deps)
        local workflow_id = params.workflow_id
        
        -- Deploy with automatic rollback enabled
        local sync_result = gitops.sync_workflow(workflow_id)
        
        if not sync_result then
            log.warn(" Deployment failed, automatic rollback initiated")
            
            -- GitOps will automatically rollback due to rollback_on_failure = true
            -- But we can also trigger manual rollback
            local rollback_result = gitops.rollback_workflow(workflow_id, "Deployment failed")
            
            if rollback_result then
                log.info(" Rollback completed successfully")
                return {success = false, message = "Deployment failed but rollback successful"}
            else
                log.error(" Rollback failed!")
                return {success = false, message = "Deployment and rollback both failed"}
            end
        end
        
        return {success = true, message = "Deployment successful"}
    end)
    :build()
