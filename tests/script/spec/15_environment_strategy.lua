-- Use different repositories for different environments
local environments = {
    dev = {repo = "company/k8s-dev", auto_sync = true},
    staging = {repo = "company/k8s-staging", auto_sync = true},
    prod = {repo = "company/k8s-prod", auto_sync = false}
}
