local k8s_gitops = task("kubernetes_gitops")
    :description("GitOps for Kubernetes manifests")
    :command(function(params, deps)
        -- Create GitOps workflow for Kubernetes
        local k8s_workflow = gitops.workflow({
            repo = "https://github.com/company/k8s-manifests",
            branch = "main",
            target_path = "manifests/production",  -- Focus on specific directory
            auto_sync = false,
            diff_preview = true,
            rollback_on_failure = true
        })
        
        -- Preview Kubernetes changes
        local diff = gitops.generate_diff(k8s_workflow.workflow_id)
        
        -- Kubernetes-specific validations
        local k8s_issues = {}
        for _, change in ipairs(diff.changes) do
            -- Check for dangerous operations
            if change.type == "delete" and change.resource:match("Namespace") then
                table.insert(k8s_issues, "Deleting namespace: " .. change.resource)
            end
            
            if change.type == "update" and change.resource:match("Deployment") then
                -- Check for image changes
                log.info(" Deployment update detected: " .. change.resource)
            end
        end
        
        if #k8s_issues > 0 then
            log.warn(" Kubernetes issues detected:")
            for _, issue in ipairs(k8s_issues) do
                log.warn("  " .. issue)
            end
        end
        
        -- Deploy to Kubernetes
        return gitops.sync_workflow(k8s_workflow.workflow_id)
    end)
    :build()
