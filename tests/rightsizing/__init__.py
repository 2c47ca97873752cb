"""Tests of the rules that set requests: each rule with numbers, and all of them on generated Pods."""
