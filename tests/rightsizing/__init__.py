"""Tests of `app.rightsizing`: each rule with numbers, and all rules on generated Pods."""
