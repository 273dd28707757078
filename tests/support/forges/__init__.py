"""What the fake forges of the tests share: time, the record of what was said, a bad day, Git, HTTP and the judge."""
