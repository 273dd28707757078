-- Register repository
local repo_id = gitops.register_repository({
    url = "https://github.com/company/infrastructure",
    branch = "main",
    credentials = {
        type = "token",
        token = "ghp_xxxxx"
    }
})
