"""Where plans are shown and approved: GitHub, GitLab, or `local`, a terminal and files."""
